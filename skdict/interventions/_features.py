"""Numbers of features, checked."""

import numbers

from skdict._validation import check_features as check_listed


def check_features(features, dictionary):
    """Return features of a frozen dictionary as a list; None means all, a number that one.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If one does not exist or is named twice.
    """
    n_features = len(dictionary.components)
    if features is None:
        return list(range(n_features))
    if isinstance(features, numbers.Integral) and not isinstance(features, bool):
        features = [features]
    return check_listed(features, n_features)
