"""Use a fitted estimator as it is, or fit a clone of an unfitted one."""

from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_choice, is_fitted
from skdict.decomposition._contract import is_transcoder


def check_prefit(prefit):
    """Raise ValueError if the parameter `prefit` is not "auto", True or False."""
    check_choice("prefit", prefit, ("auto", True, False))


def fit_or_use(estimator, X, y=None, *, prefit="auto"):
    """Return the estimator if it is fitted, otherwise a fitted clone.

    Parameters
    ----------
    estimator : estimator
        Fitted or unfitted estimator, which is left unchanged.
    X, y : object
        Data to fit a clone on; `y` is passed to `fit` only if it is not None, or the estimator is a
        transcoder, which requires it.
    prefit : {"auto", True, False}, default="auto"
        "auto" uses a fitted estimator as it is and fits a clone of an unfitted one. True requires a
        fitted estimator. False always fits a clone.

    Returns
    -------
    estimator
        Fitted estimator.

    Raises
    ------
    NotFittedError
        If `prefit` is True and the estimator is not fitted.
    """
    if prefit is True:
        check_is_fitted(estimator)
    if prefit is not False and is_fitted(estimator):
        return estimator
    alone = y is None and not is_transcoder(estimator)
    return clone(estimator).fit(X) if alone else clone(estimator).fit(X, y)


class KeepFittedDictionary:
    """Mixin for meta-estimators whose clones keep a fitted `dictionary`, unless ``prefit=False``.

    Place it before `BaseEstimator` among the base classes.
    """

    def __sklearn_clone__(self):
        # A plain clone would lose the fit of the dictionary, and a search would fit it again.
        copy = super().__sklearn_clone__()
        if getattr(self, "prefit", "auto") is not False and is_fitted(self.dictionary):
            copy.dictionary = self.dictionary
        return copy
