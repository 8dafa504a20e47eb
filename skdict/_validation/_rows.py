"""Checks of rows: arrays, tensors, memory maps and activations."""

import datetime

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from skdict.activations import Activations

# What numpy would convert: text, bytes, dates and durations.
OTHER_KINDS = {"U": "text", "S": "bytes", "M": "dates", "m": "durations"}
# Arrays of Python objects are slow; their first values tell.
MOST_OBJECTS = 100_000


def as_host_array(X):
    """Return a tensor of any device and dtype as a numpy array; anything else as it is."""
    if not hasattr(X, "detach"):
        return X
    tensor = X.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy()


def _refuse_streams(X):
    """Refuse what gives rows one batch at a time, such as a DataLoader (`TypeError`)."""
    arrays = ("shape", "__array__", "__array_interface__", "__dataframe__")
    if isinstance(X, (str, bytes, list, tuple, dict)) or any(hasattr(X, name) for name in arrays):
        return
    if hasattr(X, "__iter__") or hasattr(X, "__getitem__"):
        raise TypeError(
            f"X is {type(X).__name__}; pass an array, a tensor, a memory map (np.memmap, for rows "
            f"larger than memory) or Activations, or call partial_fit on each batch of rows"
        )


def as_numbers(name, X):
    """Return an array-like, checked to hold nothing but numbers.

    scikit-learn turns dates into nanoseconds and text such as "3" into numbers; here they are
    refused.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    X : array-like
        What was passed; a tensor becomes an array, and a list stays one.

    Returns
    -------
    array-like

    Raises
    ------
    ValueError
        For text, dates, or lists whose rows differ in length.
    """
    values = X = as_host_array(X)
    if isinstance(X, (list, tuple)):
        try:
            values = np.asarray(X)
        except ValueError:
            raise ValueError(
                f"{name} is a nested list whose rows differ in length or depth ({_lengths(X)}); "
                f"pass rows of equal length, as a two-dimensional array"
            ) from None
    found = next((OTHER_KINDS[k] for k in _kinds(values) if k in OTHER_KINDS), None)
    if found is not None:
        raise ValueError(
            f"{name} holds {found}, which cannot be converted to numbers without loss of meaning; "
            f"pass an array of floats or whole numbers"
        )
    return X


def _kinds(X):
    """Return the kinds of the values of an array or data frame, as letters of numpy."""
    dtypes = getattr(X, "dtypes", None)
    if dtypes is not None and hasattr(X, "columns"):
        kinds = {getattr(dtype, "kind", "") for dtype in dtypes}
    else:
        kinds = {getattr(getattr(X, "dtype", None), "kind", "")}
    if "O" not in kinds:
        return kinds
    values = np.ravel(np.asarray(X, dtype=object))[:MOST_OBJECTS]
    return kinds | {_kind_of(kind) for kind in set(map(type, values))}


def _kind_of(kind):
    """Return the letter of numpy for a type of Python."""
    known = (
        ((str,), "U"),
        ((bytes,), "S"),
        ((datetime.date, datetime.time, np.datetime64), "M"),
        ((datetime.timedelta, np.timedelta64), "m"),
    )
    return next((letter for types, letter in known if issubclass(kind, types)), "O")


def _lengths(rows):
    lengths = [len(row) if hasattr(row, "__len__") else None for row in rows]
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if other is None:
        return "within a row"
    sizes = ["is no list" if n is None else f"has {n}" for n in (lengths[0], lengths[other])]
    return f"row 0 {sizes[0]} and row {other} {sizes[1]}"


def is_sliced(X):
    """Whether rows are to be read slice by slice, never all at once."""
    return isinstance(X, (np.memmap, Activations))


def as_rows(X):
    """Return rows that slice to arrays of floats, with no estimator to remember their width.

    Raises
    ------
    ValueError
        For wrong shapes, complex numbers, text, dates, or lists whose rows differ in length.
    TypeError
        For sparse matrices, and for streams of batches.
    """
    _refuse_streams(X)
    X = as_numbers("X", X)
    if is_sliced(X) and X.ndim == 2 and X.dtype.kind == "f":
        return X
    return check_array(X, dtype=(np.float32, np.float64), ensure_all_finite=False)


def check_rows(estimator, X, *, reset, min_rows=1):
    """Return rows that slice to arrays of float32 or float64, and set or check the width.

    Arrays are validated by scikit-learn, with float32 for whatever is neither. What is
    larger than memory (memory maps, `Activations`) is returned as it is, to be read in
    slices. Finite values are left to `check_finite`, block by block.

    Raises
    ------
    ValueError
        For wrong shapes or widths, complex numbers, text, dates, lists whose rows differ in
        length, too few rows.
    TypeError
        For sparse matrices, and for streams of batches.
    """
    _refuse_streams(X)
    X = as_numbers("X", X)
    if not is_sliced(X) or X.ndim != 2 or X.dtype.kind != "f" or len(X) < min_rows:
        X = np.asarray(X) if is_sliced(X) else X
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=(np.float32, np.float64),
            ensure_all_finite=False,
            ensure_min_samples=min_rows,
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X


def compute_dtype(X):
    """Return the dtype that rows are computed in: float64 for float64, else float32."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)


def check_finite(block, start, name="X"):
    """Return a block of rows, or name the first row that holds NaN or infinity.

    Raises
    ------
    ValueError
        With the index of the row and column.
    """
    # One pass and no array of flags: the sum is finite unless something in it is not,
    # or it overflows, which the second look tells apart.
    with np.errstate(over="ignore", invalid="ignore"):
        total = block.sum(dtype=np.float64)
    if np.isfinite(total):
        return block
    faults = np.argwhere(~np.isfinite(block))
    if len(faults):
        row, column = faults[0]
        what = "NaN" if np.isnan(block[row, column]) else "infinity"
        raise ValueError(
            f"Input {name} contains {what}: first at row {start + row}, column {column}; "
            f"remove such rows or replace their values"
        )
    return block
