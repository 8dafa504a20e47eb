"""Erase a concept through the features of a dictionary that detect it best."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from skdict._validation import check_choice, check_number
from skdict.decomposition import (
    KeepFittedDictionary,
    check_is_dictionary,
    check_reconstructs_rows,
    dictionary_atoms,
    fit_or_use,
)
from skdict.interventions.erasure._feature_scores import auroc_scores, t_scores

METHODS = ("project", "zero", "mean")
SELECTIONS = ("auroc", "t", "probe")
N_PROBED = 32


class FeatureEraser(KeepFittedDictionary, TransformerMixin, BaseEstimator):
    r"""Concept erasure through one or a few features of a dictionary.

    `fit` selects the features that detect the concept best, and `transform` removes them. With F
    their decoder directions, c their codes, and :math:`\mu` and :math:`\bar c` the means over the
    fitted rows, the methods "project", "zero" and "mean" return

    .. math:: x - (x - \mu) F^+ F, \qquad x - c F, \qquad x - (c - \bar c) F.

    "project" changes every row, "zero" the rows on which the features fire, and "mean" those on
    which the codes differ from their mean.

    A fitted eraser is an edit: pass it to `intervene` to erase the concept inside a running model.

    Parameters
    ----------
    dictionary : estimator
        Any dictionary. A fitted one is used as it is; an unfitted one is cloned and fitted.
    n_features : int, default=1
        Number of features to erase.
    method : {"project", "zero", "mean"}, default="project"
        Erasure method: project the decoder directions out, set the codes to zero, or set them to
        their mean.
    selection : {"auroc", "t", "probe"} or callable, default="auroc"
        Score by which features are selected. "auroc" scores how well the codes rank one class
        above the others. "t" is Welch's t between one class and the others. "probe" is the error
        of a logistic probe on the fitted rows after the feature alone is erased, computed for the
        32 best features by "auroc". A callable ``selection(dictionary, X, y)`` returns one number
        per feature; the features with the largest numbers are selected.

    Attributes
    ----------
    dictionary_ : estimator
        Fitted dictionary.
    features_ : ndarray of int, shape (n_features,)
        Selected features, best first.
    scores_ : ndarray of shape (n_components,)
        Score of every feature; -inf for features that "probe" did not try.
    mean_ : ndarray of shape (n_features_in_,)
        Mean of the fitted rows.
    mean_codes_ : ndarray of shape (n_features,)
        Mean codes of the selected features.
    n_features_in_ : int
        Width of the fitted rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Defined only if the fitted rows had column names.

    See Also
    --------
    LEACE : Erase a concept by the smallest edit that leaves no linear trace of it.
    intervene : Apply a fitted eraser to a running model.

    Notes
    -----
    The best of many directions can be good by chance. Use a `RandomDictionary` with the same number
    of features as a control.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import IdentityDictionary
    >>> from skdict.interventions import FeatureEraser
    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(2, size=200)
    >>> X = rng.standard_normal((200, 5)) + np.outer(z, [0, 0, 3, 0, 0])
    >>> FeatureEraser(IdentityDictionary()).fit(X, z).features_
    array([2])
    """

    def __init__(self, dictionary, n_features=1, *, method="project", selection="auroc"):
        self.dictionary = dictionary
        self.n_features = n_features
        self.method = method
        self.selection = selection

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X, y):
        """Select the features to erase.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Activations.
        y : array-like of shape (n_samples,)
            Concept to erase: one class per row.

        Returns
        -------
        FeatureEraser
            The fitted eraser.

        Raises
        ------
        ValueError
            If a parameter is out of range, X and y differ in length, X or y contains NaN or
            infinity, y holds only one class, or `dictionary` is a transcoder.
        TypeError
            If `dictionary` is not a dictionary.
        """
        check_number("n_features", self.n_features, low=1, integer=True)
        check_choice("method", self.method, METHODS)
        if not callable(self.selection):
            check_choice("selection", self.selection, SELECTIONS)
        if y is None:
            raise ValueError("FeatureEraser requires y to be passed, but the target y is None")
        check_reconstructs_rows(self.dictionary)
        X, z = validate_data(self, X, y, dtype=(np.float64, np.float32))
        if len(np.unique(z)) < 2:
            raise ValueError(
                f"y holds only one class, {z[0]!r}, so no feature can detect it; pass rows of at "
                f"least two classes"
            )
        self.dictionary_ = fit_or_use(self.dictionary, X)
        check_is_dictionary(self.dictionary_)
        self._atoms = dictionary_atoms(self.dictionary_).astype(np.float64)
        check_number("n_features", self.n_features, high=len(self._atoms))
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        self.scores_ = self._scores(X, z)
        self._choose(X, np.argsort(-self.scores_, kind="stable")[: self.n_features])
        return self

    def _choose(self, X, features):
        self.features_ = np.asarray(features)
        self.mean_codes_ = self._codes(X).mean(axis=0)
        return self

    def _scores(self, X, z):
        if callable(self.selection):
            scores = np.asarray(self.selection(self.dictionary_, X, z), dtype=np.float64)
            if scores.shape != (len(self._atoms),) or np.isnan(scores).any():
                raise ValueError(
                    f"selection returned scores of shape {scores.shape}, or NaN; return one number "
                    f"for each of the {len(self._atoms)} features"
                )
            return scores
        codes = self.dictionary_.transform(X)
        if self.selection == "t":
            return t_scores(codes, z)
        scores = auroc_scores(codes, z)
        if self.selection == "auroc":
            return scores
        probed = np.full(len(scores), -np.inf)
        for feature in np.argsort(-scores, kind="stable")[:N_PROBED]:
            erased = self._choose(X, [feature])._erase(X)
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            probed[feature] = 1 - probe.fit(erased, z).score(erased, z)
        return probed

    def transform(self, X):
        """Erase the concept from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Activations.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Erased rows in the dtype of X.

        Raises
        ------
        NotFittedError
            If the eraser is not fitted.
        ValueError
            If X differs in width from the fitted rows, or contains NaN or infinity.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        return self._erase(X).astype(X.dtype)

    def _erase(self, X):
        atoms = self._atoms[self.features_]
        if self.method == "project":
            _, sizes, basis = np.linalg.svd(atoms, full_matrices=False)
            basis = basis[sizes > sizes.max() * max(atoms.shape) * np.finfo(float).eps]
            return X - ((X - self.mean_) @ basis.T) @ basis
        codes = self._codes(X)
        if self.method == "mean":
            codes = codes - self.mean_codes_
        return X - codes @ atoms

    def _codes(self, X):
        codes = self.dictionary_.transform(X)[:, self.features_]
        codes = codes.toarray() if scipy.sparse.issparse(codes) else np.asarray(codes)
        return codes.astype(np.float64)
