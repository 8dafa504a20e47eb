"""Checks of what users pass in: each message says what was got, what is accepted, what to do.

Floor 1: imports scikit-learn and `skdict.activations`; tensors are known by their methods.
"""

import numbers

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skdict.activations import Activations


def check_number(name, value, *, low=None, high=None, above=None, integer=False, hint=""):
    """Refuse a value that is not a finite number within bounds.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What was passed.
    low, high : float, optional
        Smallest and largest value accepted.
    above : float, optional
        The value must be larger than this.
    integer : bool, default=False
        Whether only whole numbers are accepted.
    hint : str, default=""
        What to do next, for the message.

    Raises
    ------
    TypeError
        If the value is not a number of the right kind.
    ValueError
        If it is not finite or out of bounds.
    """
    kind = numbers.Integral if integer else numbers.Real
    wanted = "a whole number" if integer else "a number"
    bounds = [
        text.format(bound)
        for text, bound in ((">= {}", low), ("> {}", above), ("<= {}", high))
        if bound is not None
    ]
    accepted = " ".join([wanted, " and ".join(bounds)]).strip()
    message = f"{name}={value!r} is not accepted: pass {accepted}{'; ' + hint if hint else ''}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(message)
    within = (
        np.isfinite(value)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )
    if not within:
        raise ValueError(message)


def check_choice(name, value, choices):
    """Refuse a value that is not one of the choices (`ValueError`)."""
    if not any(value is choice or value == choice for choice in choices):
        raise ValueError(
            f"{name}={value!r} is not accepted: pass one of {', '.join(map(repr, choices))}"
        )


def check_flag(name, value):
    """Refuse a value that is neither true nor false (`TypeError`)."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r} is not accepted: pass True or False")


def is_fitted(estimator):
    """Whether an estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


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


def is_sliced(X):
    """Whether rows are to be read slice by slice, never all at once."""
    return isinstance(X, (np.memmap, Activations))


def as_rows(X):
    """Return rows that slice to arrays of floats, with no estimator to remember their width.

    Raises
    ------
    ValueError
        For wrong shapes, complex numbers or text.
    TypeError
        For sparse matrices, and for streams of batches.
    """
    _refuse_streams(X)
    X = as_host_array(X)
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
        For wrong shapes or widths, complex numbers, text, too few rows.
    TypeError
        For sparse matrices, and for streams of batches.
    """
    _refuse_streams(X)
    X = as_host_array(X)
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


def check_texts(texts, *, first=0):
    """Return texts as a list of non-empty strings.

    Parameters
    ----------
    texts : list of str
        What was passed.
    first : int, default=0
        Index of the first of them in what the user passed, for the message.

    Raises
    ------
    TypeError
        For one string, or items that are not strings.
    ValueError
        For no text, an empty one, or one that is not Unicode (its index is named).
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"texts is one {type(texts).__name__}; pass a list of texts, such as [text]"
        )
    if getattr(texts, "ndim", 1) != 1:
        raise ValueError(
            f"texts has {texts.ndim} dimensions; pass a list or a one-dimensional array of texts"
        )
    if not hasattr(texts, "__len__") or not hasattr(texts, "__iter__"):
        raise TypeError(f"texts is {type(texts).__name__}; pass a list of texts, such as list(...)")
    texts = list(texts)
    if not texts:
        raise ValueError("texts is empty (0 texts); pass at least one text")
    for index, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            raise TypeError(
                f"texts[{index}] is {type(text).__name__}, not str; pass a list of texts"
            )
        if not text.strip():
            raise ValueError(f"texts[{index}] is empty: it has no token; leave empty texts out")
        _check_unicode(text, index)
    return texts


def _check_unicode(text, index):
    """Refuse lone surrogates, which no tokenizer reads."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts[{index}] holds {text[error.start]!r} at character {error.start}, half of a "
            f"surrogate pair, as cutting or decoding text wrongly leaves; read the text again, or "
            f"pass text.encode('utf-8', 'replace').decode('utf-8')"
        ) from None
