"""Saving and loading dictionaries, in our own format and in those of other libraries."""

from pathlib import Path

from sklearn.utils.validation import check_is_fitted

from skdict._files import restore_interrupted
from skdict._validation import check_choice, check_json
from skdict.io.formats import FORMATS
from skdict.io.formats.native import CLASSES


def save_dictionary(dictionary, folder, *, format="skdict", metadata=None):
    """Write a fitted dictionary to a folder.

    The folder is written under another name and renamed, so that it is never incomplete; an
    earlier dictionary of the same format is replaced.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, RandomDictionary or IdentityDictionary
        Fitted. Save other estimators with joblib, whose files run code when loaded.
    folder : str or path
        Destination.
    format : {"skdict", "saelens"}, default="skdict"
        "skdict" keeps all fitted attributes, parameters and history, arrays in safetensors and
        the rest in JSON. It leaves out the optimiser's state of `partial_fit`, and `dict_init`,
        which is where training started and not what was learned; of an `activation` given as an
        object it keeps the name of the class, which suffices for `transform` but not for `fit`.
        "saelens" is a directory that SAELens 6 reads. It keeps what encodes and decodes:
        ``standard`` for plain ReLU codes, ``topk`` for "topk", ``jumprelu`` for "batch_topk" and
        for `debias=True`, whose gains and offsets are folded into encoder and thresholds.
    metadata : dict, optional
        Origin of the rows, such as ``acts.metadata`` (`model`, `hook_point`); must fit in JSON.
        By default that of a loaded dictionary. "saelens" keeps `model`, `hook_point` and `l0`.

    Raises
    ------
    TypeError
        If the estimator is of another class, or the metadata does not fit in JSON.
    ValueError
        If the format is unknown, a weight is NaN or infinite, or SAELens has no codes of this form
        (signed ones, offsets with "topk", codes that can be negative).
    FileExistsError
        If the folder holds something other than a dictionary of this format, or another process
        is writing to it.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.io import load_dictionary, save_dictionary
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> sae = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_dictionary(sae, folder + "/sae", metadata={"hook_point": "resid_post.2"})
    ...     again = load_dictionary(folder + "/sae")
    >>> bool((again.transform(X) != sae.transform(X)).nnz == 0)
    True
    """
    check_choice("format", format, tuple(FORMATS))
    name = type(dictionary).__name__
    if CLASSES.get(name) is not type(dictionary):
        raise TypeError(
            f"{name} cannot be saved as tensors; {', '.join(CLASSES)} can; save others with "
            f"joblib.dump, or save the tensors of to_torch"
        )
    check_is_fitted(dictionary)
    if metadata is None:
        metadata = getattr(dictionary, "metadata_", {})
    else:
        metadata = check_json("metadata", metadata)
    FORMATS[format].write(dictionary, folder, metadata)


def load_dictionary(folder):
    """Return the dictionary in a folder, without running any code from it.

    Parameters
    ----------
    folder : str or path
        Folder written by `save_dictionary`, or a SAELens 6 directory of architecture ``standard``,
        ``topk`` or ``jumprelu``. Their directions are scaled to unit length, and codes with them,
        which does not change reconstructions.

    Returns
    -------
    estimator
        Fitted, with the saved metadata in ``metadata_``. From ``jumprelu`` its `activation` is
        "batch_topk" if all thresholds are equal, else "jumprelu".

    Raises
    ------
    FileNotFoundError
        If the folder holds no dictionary.
    ValueError
        If the format or version is unknown, files are damaged or do not belong together, or the
        architecture has no counterpart here.
    """
    folder = Path(folder)
    restore_interrupted(folder)
    for format in FORMATS.values():
        if format.matches(folder):
            return format.read(folder)
    raise FileNotFoundError(
        f"{str(folder)!r} holds neither {' nor '.join(f.MARKER for f in FORMATS.values())}; pass "
        f"a folder written by save_dictionary or by SAELens"
    )
