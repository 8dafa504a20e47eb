"""Checks of parameters: numbers, choices, lists of features."""

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
        Accept whole numbers only.
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
