"""Warnings that point at the user's own line."""

import sys
import warnings

LIBRARIES = ("skdict", "sklearn", "joblib")


def warn_user(message, category):
    """Warn at the innermost call that is not in this package or scikit-learn.

    How many calls lie between differs: `fit` is wrapped where scikit-learn has callbacks, and
    may be called by a search.
    """
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
