"""Numbers of features, checked."""

import numpy as np


def check_features(features, dictionary):
    """Return features of a frozen dictionary as a list; None means all.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If one does not exist or is named twice.
    """
    m = len(dictionary.components)
    if features is None:
        return list(range(m))
    numbers = np.atleast_1d(
        np.asarray(features.tolist() if hasattr(features, "tolist") else features)
    )
    if numbers.size == 0:
        return []
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise TypeError(f"features={features!r} is not accepted: pass whole numbers, 0 to {m - 1}")
    outside = numbers[(numbers < 0) | (numbers >= m)]
    if len(outside):
        raise ValueError(
            f"feature {outside[0]} does not exist: the dictionary has {m}, 0 to {m - 1}"
        )
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError(f"features={features!r} names one twice; name each once")
    return numbers.tolist()
