"""Validate rows: arrays, tensors, memory maps and activations."""

import datetime

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from skdict.activations import Activations

# Kinds of values that numpy would silently convert to numbers.
OTHER_KINDS = {"U": "text", "S": "bytes", "M": "dates", "m": "durations"}
# Arrays of Python objects are slow to scan, so only their first values are checked.
MOST_OBJECTS = 100_000


def as_host_array(X):
    """Convert a tensor on any device to a numpy array; return anything else unchanged."""
    if not hasattr(X, "detach"):
        return X
    tensor = X.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy()


def refuse_streams(X, name="X"):
    """Raise `TypeError` for iterables of batches, such as a DataLoader."""
    arrays = ("shape", "__array__", "__array_interface__", "__dataframe__")
    if isinstance(X, (str, bytes, list, tuple, dict)) or any(hasattr(X, name) for name in arrays):
        return
    if hasattr(X, "__iter__") or hasattr(X, "__getitem__"):
        raise TypeError(
            f"{name} is {type(X).__name__}; pass an array, a tensor, a memory map (np.memmap, for "
            f"data larger than memory) or Activations, or call partial_fit on each batch of rows"
        )


def as_numbers(name, X):
    """Check that an array-like contains only numbers.

    scikit-learn converts dates to nanoseconds and text such as "3" to numbers; this function
    rejects both.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    X : array-like
        Values to check. Tensors are converted to arrays; lists are returned unchanged.

    Returns
    -------
    array-like

    Raises
    ------
    ValueError
        If `X` contains text or dates, or is a list whose rows differ in length.
    """
    values = X = as_host_array(X)
    if hasattr(X, "__array__") and not (hasattr(X, "dtype") or hasattr(X, "columns")):
        # scikit-learn would convert other containers to float32, whatever they hold.
        values = X = np.asarray(X)
    if isinstance(X, (list, tuple)):
        try:
            values = np.asarray(X)
        except ValueError:
            raise ValueError(
                f"{name} is a nested list whose rows differ in length or depth ({_lengths(X)}); "
                f"pass a two-dimensional array with rows of equal length"
            ) from None
    found = next((OTHER_KINDS[k] for k in _kinds(values) if k in OTHER_KINDS), None)
    if found is not None:
        raise ValueError(
            f"{name} contains {found}, which cannot be converted to numbers without loss of "
            f"meaning; pass an array of floats or integers"
        )
    return X


def _kinds(X):
    """Return the numpy kind codes of the values of an array or data frame."""
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
    """Return the numpy kind code of a Python type."""
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
    sizes = ["is a scalar" if n is None else f"has {n}" for n in (lengths[0], lengths[other])]
    return f"row 0 {sizes[0]} and row {other} {sizes[1]}"


def is_sliced(X):
    """Return True if rows must be read in slices, never all at once."""
    return isinstance(X, (np.memmap, Activations))


def as_rows(X):
    """Check rows and return them so that slices are arrays of floats; do not record their width.

    Raises
    ------
    ValueError
        If the rows have the wrong shape, contain complex numbers, text or dates, or are lists of
        different lengths.
    TypeError
        If the rows are a sparse matrix or an iterable of batches.
    """
    refuse_streams(X)
    X = as_numbers("X", X)
    if is_sliced(X) and X.ndim == 2 and X.dtype.kind == "f":
        return X
    return check_array(X, dtype=(np.float32, np.float64), ensure_all_finite=False)


def check_rows(estimator, X, *, reset, min_rows=1):
    """Check the rows passed to an estimator, and set or check its number of input features.

    Arrays are validated by scikit-learn and converted to float32 unless they are float32 or
    float64. Memory maps and `Activations`, which may exceed memory, are returned unchanged, to be
    read in slices. `check_finite` checks values block by block as they are read.

    Raises
    ------
    ValueError
        If the rows have the wrong shape or width, contain complex numbers, text or dates, are
        lists of different lengths, or are too few.
    TypeError
        If the rows are a sparse matrix or an iterable of batches.
    """
    refuse_streams(X)
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
    """Return the dtype to compute in: float64 for float64 rows, otherwise float32."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)


def check_finite(block, start, name="X"):
    """Check that a block of rows is finite, and return it.

    Raises
    ------
    ValueError
        If a value is NaN or infinite; the message names the first such row and column.
    """
    # One pass without a temporary array: the sum is not finite if a value is not finite or the
    # sum overflows, and only then is a second pass needed to tell which.
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
            f"remove such rows or replace the values"
        )
    return block
