"""Check tensors against the layout of a format: names, shapes, dtypes and finite values."""

import numpy as np

ADVICE = "get a complete copy of the file, or check that it is of this format"


def take(tensors, layout, *, optional=(), sizes=None, required_by="other tensors"):
    """Return the tensors of a layout, checked.

    Parameters
    ----------
    tensors : TensorSet
        Content of a file.
    layout : dict of str to str
        Dimensions of each tensor by name, one letter each, such as "dn". The same letter means the
        same size.
    optional : collection of str, default=()
        Names that may be missing.
    sizes : dict of str to int, optional
        Known sizes by letter. Others are those of tensors with one dimension, or else of the first
        matrix with them.
    required_by : str, default="other tensors"
        Source of the sizes, for messages.

    Returns
    -------
    dict of str to ndarray
        Floating-point arrays by name, with float16 converted to float32.

    Raises
    ------
    ValueError
        If a tensor is missing, has another shape, is not of floating point, or contains NaN or
        infinity.
    """
    arrays = tensors.arrays
    sizes, found = _sizes(arrays, layout, dict(sizes or {})), {}
    for name, letters in layout.items():
        if name not in arrays and name in optional:
            continue
        shape = arrays[name].shape if name in arrays else None
        due = tuple(sizes.get(letter) for letter in letters)
        if shape != due or 0 in due:
            known = ", ".join(str(size or "?") for size in due)
            raise ValueError(
                f"{str(tensors.path)!r} has {name} of shape {shape} but {required_by} requires "
                f"({known}{',' if len(due) == 1 else ''}); {ADVICE}"
            )
        found[name] = checked_floats(arrays[name], name, tensors.path)
    return found


def _sizes(arrays, layout, sizes):
    """Return sizes by letter: the given ones, else those of vectors, else those of matrices."""
    for n_dimensions in (1, 2):
        for name, letters in layout.items():
            if (
                len(letters) == n_dimensions
                and name in arrays
                and arrays[name].ndim == n_dimensions
            ):
                for letter, size in zip(letters, arrays[name].shape, strict=True):
                    sizes.setdefault(letter, size)
    return sizes


def checked_floats(array, name, path):
    """Return an array of floating point, with float16 converted to float32, checked to be finite.

    Raises
    ------
    ValueError
        If the dtype is another one, or a value is NaN or infinite.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise ValueError(
            f"{str(path)!r} has {name} of dtype {array.dtype}; get a copy with floating-point "
            f"weights"
        )
    # A finite sum shows in one pass, without an array of flags, that all values are finite.
    if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
        raise ValueError(
            f"{str(path)!r} has NaN or infinity in {name}; get an intact copy of the file, or an "
            f"earlier checkpoint"
        )
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def scalar(tensors, name):
    """Return a tensor with a single element as a Python number.

    Raises
    ------
    ValueError
        If the tensor is missing, has more elements, or is NaN or infinite.
    """
    array = tensors.arrays.get(name)
    if array is None or array.size != 1 or array.dtype.kind not in "fiu":
        shape = None if array is None else array.shape
        raise ValueError(
            f"{str(tensors.path)!r} has {name} of shape {shape}, but a single number is expected; "
            f"{ADVICE}"
        )
    value = array.reshape(()).item()
    if not np.isfinite(value):
        raise ValueError(f"{str(tensors.path)!r} has {name}={value}; {ADVICE}")
    return value


def setting(config, name, kinds, path, *, default=None):
    """Return an entry of a configuration after checking its type.

    Parameters
    ----------
    config : dict
        Configuration.
    name : str
        Name of the entry.
    kinds : type or tuple of type
        Accepted types; True and False count only as bool.
    path : pathlib.Path
        File of the configuration, for the message.
    default : object, optional
        Value of an entry that is missing or null; the entry is mandatory if there is none.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If a mandatory entry is missing, or the type is another one.
    """
    value = config.get(name)
    if value is None and default is not None:
        return default
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if type(value) not in kinds:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(
            f"{str(path)!r} has {name}={value!r:.80}, but {wanted} is expected; {ADVICE}"
        )
    return value


def text_of(config, name):
    """Return an entry that is a non-empty string, or None; it only describes the dictionary."""
    value = config.get(name)
    return value if isinstance(value, str) and value else None


def check_k(k, n, path):
    """Return the number of features kept per row, after checking it.

    Raises
    ------
    ValueError
        If it is not a whole number from 1 to n.
    """
    if type(k) is not int or not 1 <= k <= n:
        raise ValueError(
            f"{str(path)!r} has k={k!r:.80}; set it to the number of features kept per row, a "
            f"whole number from 1 to {n}"
        )
    return k


def positive(value, name, path):
    """Return a positive finite number as a float.

    Raises
    ------
    ValueError
        If the value is anything else.
    """
    if type(value) not in (int, float) or not 0 < value < float("inf"):
        raise ValueError(
            f"{str(path)!r} has {name}={value!r:.80}, but a positive number is expected; {ADVICE}"
        )
    return float(value)
