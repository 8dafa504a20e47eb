"""Use a fitted estimator as it is; fit a clone of an unfitted one."""

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_choice, is_fitted


def check_prefit(prefit):
    """Refuse a value of the parameter `prefit` other than "auto", True and False."""
    check_choice("prefit", prefit, ("auto", True, False))


def fit_or_use(estimator, X, y=None, *, prefit="auto"):
    """Return a fitted estimator itself, or a fitted clone of an unfitted one.

    Parameters
    ----------
    estimator : estimator
        Left unchanged.
    X, y : object
        What an unfitted one is fitted on; `y` is passed on only if it is given.
    prefit : {"auto", True, False}, default="auto"
        "auto" uses a fitted estimator and fits an unfitted one, True demands a fitted one, and
        False always fits a clone.

    Returns
    -------
    estimator
        Fitted.

    Raises
    ------
    NotFittedError
        If `prefit` is True and the estimator is not fitted.
    """
    if prefit is True:
        check_is_fitted(estimator)
    if prefit is not False and is_fitted(estimator):
        return estimator
    return clone(estimator).fit(X) if y is None else clone(estimator).fit(X, y)


class KeepFittedDictionary:
    """Mixin for meta-estimators whose clones keep a fitted `dictionary`, unless ``prefit=False``.

    Place it before `BaseEstimator` among the base classes.
    """

    def __sklearn_clone__(self):
        # A plain clone would unfit the dictionary, and a search would fit it again.
        copy = super().__sklearn_clone__()
        if getattr(self, "prefit", "auto") is not False and is_fitted(self.dictionary):
            copy.dictionary = self.dictionary
        return copy
