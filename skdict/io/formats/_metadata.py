"""Describe a published dictionary: where it comes from and what its publisher states."""

from skdict.io.formats._hook_names import hook_point_of

PRECISIONS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def described(
    format, tensors, *, architecture, model=None, hook_point=None, target_hook_point=None, **known
):
    """Return the metadata of a dictionary.

    Parameters
    ----------
    format : str
        Name of the format.
    tensors : TensorSet
        Tensors, of which the most common precision is stated.
    architecture : str
        Form of the codes, as its publisher names it.
    model : str, optional
        Model that the rows come from.
    hook_point, target_hook_point : str, optional
        Hook points of the rows and of a transcoder's targets; a publisher's names are translated.
    **known : object
        Further entries, such as `l0`; those that are None are left out.

    Returns
    -------
    dict
    """
    known["target_hook_point"] = hook_point_of(target_hook_point, model=model)
    kinds = list(tensors.dtypes.values())
    if kinds:
        known["dtype"] = PRECISIONS.get(max(sorted(set(kinds)), key=kinds.count))
    return {
        "format": format,
        "architecture": architecture,
        "model": model,
        "hook_point": hook_point_of(hook_point, model=model),
        **{name: value for name, value in known.items() if value is not None},
    }
