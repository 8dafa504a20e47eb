"""Checks of what users pass in: each message says what was got, what is accepted, what to do.

Floor 1: imports scikit-learn and `skdict.activations`; tensors are known by their methods.
"""

import datetime
import json
import math
import numbers
from collections import Counter
from collections.abc import Iterable

import numpy as np
import sklearn.utils
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skdict.activations import Activations

# What numpy would convert: text, bytes, dates and durations.
OTHER_KINDS = {"U": "text", "S": "bytes", "M": "dates", "m": "durations"}
# Arrays of Python objects are slow; their first values tell.
MOST_OBJECTS = 100_000
MOST_SHOWN = 200


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
    message = f"{told(name, value)}: pass {accepted}{'; ' + hint if hint else ''}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(message)
    if not _is_finite(value):
        raise ValueError(f"{message}; it must be finite")
    within = (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )
    if not within:
        raise ValueError(message)


def check_features(features, n_features, *, name="features"):
    """Return numbers of features as a list, each of which exists and is named once.

    Parameters
    ----------
    features : array-like of int
        What was passed.
    n_features : int
        How many features there are.
    name : str, default="features"
        The parameter's name, for the message.

    Returns
    -------
    list of int
        In the order given.

    Raises
    ------
    TypeError
        If it is no list of whole numbers.
    ValueError
        If a feature does not exist, or is named more than once: its codes would count twice.
    """
    accepted = f"pass a list of whole numbers from 0 to {n_features - 1}, each once"
    given = features.tolist() if hasattr(features, "tolist") else features
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{told(name, features)}: {accepted}")
    given = list(given)
    for feature in given:
        if isinstance(feature, (bool, np.bool_)) or not isinstance(feature, numbers.Integral):
            raise TypeError(f"{told(f'a value of {name}', feature)}: {accepted}")
        if not 0 <= feature < n_features:
            raise ValueError(f"{name} holds {feature}, which does not exist: {accepted}")
    repeated = [feature for feature, count in Counter(given).items() if count > 1]
    if repeated:
        named = ", ".join(map(str, repeated[:5]))
        raise ValueError(f"{name} holds {named} more than once: {accepted}")
    return [int(feature) for feature in given]


def check_random_state(value, *, name="random_state"):
    """Return the generator of a seed, as scikit-learn's function of this name.

    Parameters
    ----------
    value : int, RandomState or None
        What was passed.
    name : str, default="random_state"
        The parameter's name, for the message.

    Returns
    -------
    RandomState

    Raises
    ------
    TypeError, ValueError
        If it is no seed.
    """
    accepted = f"pass a whole number from 0 to {2**32 - 1}, a numpy RandomState or None"
    message = f"{told(name, value)}: {accepted}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(message)
    try:
        return sklearn.utils.check_random_state(value)
    except ValueError:
        raise ValueError(message) from None


def check_json(name, value):
    """Return a dict as JSON gives it back, or name what in it does not fit.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : dict
        What was passed.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If it is no dict, or holds what JSON has no form for.
    """
    accepted = "str, int, float, bool, None, and lists and dicts of them with str as keys"
    if not isinstance(value, dict):
        raise TypeError(f"{told(name, value)}: pass a dict of {accepted}")
    for key, part in value.items():
        try:
            json.dumps({key: part})
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"{name}[{key!r}] is {shortened(part)}, which does not fit in JSON ({error}); pass "
                f"{accepted}"
            ) from None
    return json.loads(json.dumps(value))


def check_choice(name, value, choices):
    """Refuse a value that is not one of the choices (`ValueError`)."""
    # An array would equal a choice in some places.
    is_plain = isinstance(value, (str, np.bool_, numbers.Number))
    if not any(value is c or (is_plain and value == c) for c in choices):
        raise ValueError(f"{told(name, value)}: pass one of {', '.join(map(repr, choices))}")


def check_flag(name, value):
    """Refuse a value that is neither true nor false (`TypeError`)."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{told(name, value)}: pass True or False")


def told(name, value):
    """Return the beginning of a message: what was passed, and that it is not accepted."""
    return f"{name}={shortened(value)} is not accepted"


def shortened(value):
    """Return the representation of a value, of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


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


def as_numbers(name, X):
    """Return an array-like with lists made an array, and nothing in it but numbers.

    scikit-learn turns dates into nanoseconds and text such as "3" into numbers; here they are
    refused.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    X : array-like
        What was passed; a tensor becomes an array.

    Returns
    -------
    array-like

    Raises
    ------
    ValueError
        For text, dates, or lists whose rows differ in length.
    """
    X = as_host_array(X)
    if isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:
            raise ValueError(
                f"{name} is a nested list whose rows differ in length or depth ({_lengths(X)}); "
                f"pass rows of equal length, as a two-dimensional array"
            ) from None
    found = next((OTHER_KINDS[k] for k in _kinds(X) if k in OTHER_KINDS), None)
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
