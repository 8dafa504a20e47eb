"""Warnings that point at a line of the user's code."""

import sys
import warnings

LIBRARIES = ("skdict", "sklearn", "joblib")


def warn_user(message, category):
    """Issue a warning at the innermost call outside this package, scikit-learn and joblib.

    The stack level varies: `fit` is wrapped if scikit-learn has callbacks, and may be called by a
    search.
    """
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
