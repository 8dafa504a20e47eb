"""Validate parameters: numbers, choices, flags and lists of features."""

import json
import math
import numbers
from collections import Counter
from collections.abc import Iterable

import numpy as np
import sklearn.utils
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

MOST_SHOWN = 200


def check_number(name, value, *, low=None, high=None, above=None, integer=False, hint=""):
    """Check that a value is a finite number within bounds.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check.
    low, high : float, optional
        Smallest and largest accepted value.
    above : float, optional
        Strict lower bound.
    integer : bool, default=False
        If True, accept integers only.
    hint : str, default=""
        Advice to add to the message.

    Raises
    ------
    TypeError
        If the value is not a number of the right kind.
    ValueError
        If the value is not finite or out of bounds.
    """
    kind = numbers.Integral if integer else numbers.Real
    wanted = "an integer" if integer else "a number"
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
    """Check that feature indices exist and are unique, and return them as a list.

    Parameters
    ----------
    features : array-like of int
        Indices to check.
    n_features : int or None
        Number of features; None if it is not known yet, so that only the type, the sign and
        repetitions are checked.
    name : str, default="features"
        Name of the parameter, for the message.

    Returns
    -------
    list of int
        The indices, in the given order.

    Raises
    ------
    TypeError
        If `features` is not a list of integers.
    ValueError
        If a feature does not exist, or is listed more than once, so that its codes would count
        twice.
    """
    last = "" if n_features is None else f" to {n_features - 1}"
    accepted = f"pass a list of distinct integers from 0{last}"
    given = features.tolist() if hasattr(features, "tolist") else features
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{told(name, features)}: {accepted}")
    given = list(given)
    for feature in given:
        if isinstance(feature, (bool, np.bool_)) or not isinstance(feature, numbers.Integral):
            raise TypeError(f"{told(f'a value in {name}', feature)}: {accepted}")
        if feature < 0 or (n_features is not None and feature >= n_features):
            among = "" if n_features is None else f" among {n_features} features"
            raise ValueError(f"{name} contains {feature}, which does not exist{among}: {accepted}")
    repeated = [feature for feature, count in Counter(given).items() if count > 1]
    if repeated:
        named = ", ".join(map(str, repeated[:5]))
        raise ValueError(f"{name} contains {named} more than once: {accepted}")
    return [int(feature) for feature in given]


def check_random_state(value, *, name="random_state"):
    """Return the random generator of a seed, like scikit-learn's function of this name.

    Parameters
    ----------
    value : int, RandomState or None
        Seed to check.
    name : str, default="random_state"
        Name of the parameter, for the message.

    Returns
    -------
    RandomState

    Raises
    ------
    TypeError, ValueError
        If the value is not a valid seed.
    """
    accepted = f"pass an integer from 0 to {2**32 - 1}, a numpy RandomState or None"
    message = f"{told(name, value)}: {accepted}"
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(message)
    try:
        return sklearn.utils.check_random_state(value)
    except ValueError:
        raise ValueError(message) from None


def check_json(name, value):
    """Check that a dict is JSON serialisable, and return it as JSON would give it back.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : dict
        Dict to check.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If the value is not a dict, or contains values that JSON cannot represent.
    """
    accepted = "str, int, float, bool, None, and lists and dicts of them with str as keys"
    if not isinstance(value, dict):
        raise TypeError(f"{told(name, value)}: pass a dict of {accepted}")
    for key, part in value.items():
        try:
            json.dumps({key: part})
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"{name}[{key!r}] is {shortened(part)}, which is not JSON serialisable ({error}); "
                f"pass {accepted}"
            ) from None
    return json.loads(json.dumps(value))


def check_choice(name, value, choices):
    """Raise `ValueError` if a value is not one of the choices."""
    # Comparing an array with a choice would not give a single truth value.
    is_plain = isinstance(value, (str, np.bool_, numbers.Number))
    if not any(value is c or (is_plain and value == c) for c in choices):
        raise ValueError(f"{told(name, value)}: pass one of {', '.join(map(repr, choices))}")


def check_flag(name, value):
    """Raise `TypeError` if a value is not a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{told(name, value)}: pass True or False")


def told(name, value):
    """Return the start of a message that says which value is not accepted."""
    return f"{name}={shortened(value)} is not accepted"


def shortened(value):
    """Return the representation of a value, truncated if it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_fitted(estimator):
    """Return True if an estimator is fitted."""
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
