"""What transcoders have in common: they predict targets, and are scored on them."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_finite, check_rows, check_targets
from skdict.decomposition._blocks import finite_blocks
from skdict.decomposition._codes import explained_variance


class TranscoderMixin(RegressorMixin):
    """Mixin for dictionaries that predict other rows than those that they encode.

    Place it before `BaseDictionary` among the base classes.
    """

    def predict(self, X):
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_targets) or (n_samples,)
            Predictions: the decoded codes plus any skip connection, float64 for float64 rows and
            float32 otherwise; one-dimensional if there is a single target.

        Raises
        ------
        NotFittedError
            If the transcoder is not fitted.
        ValueError
            If X has another width than the training rows, or contains NaN or infinity.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        predicted = np.concatenate([self._predict(block) for _, block in finite_blocks(X)])
        return predicted[:, 0] if predicted.shape[1] == 1 else predicted

    def inverse_transform(self, X):
        """Return the part of the targets that codes explain, without any skip connection.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        ndarray of shape (n_samples, n_targets)
            Constant plus ``codes @ components_``, in the dtype of the codes: float32 or float64.
            The constant is the value of `dictionary_offset`.

        Raises
        ------
        NotFittedError
            If the transcoder is not fitted.
        ValueError
            If X does not have one column for each feature, or a code is NaN or infinite.
        """
        return super().inverse_transform(X)

    def score(self, X, y):
        r"""Return the fraction of the variance of the targets explained, 1 - FVU.

        .. math:: 1 - \frac{\sum_i \|y_i - \hat y_i\|_2^2}{\sum_i \|y_i - \bar y\|_2^2}

        with :math:`\bar y` the mean of the targets passed. It equals scikit-learn's
        ``r2_score(..., multioutput="variance_weighted")``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples, n_targets) or (n_samples,)
            Targets.

        Returns
        -------
        float
            Fraction of variance explained: 1 if the prediction is exact, 0 if it is no better than
            the mean, negative if it is worse.

        Raises
        ------
        NotFittedError
            If the transcoder is not fitted.
        ValueError
            If X or y has another width than in training or contains NaN or infinity, if they
            differ in their number of rows or in provenance, or if y does not vary.
        TypeError
            If X or y is sparse.
        """
        check_is_fitted(self)
        X, width = check_rows(self, X, reset=False), self.components_.shape[1]
        y = check_targets(X, y, type(self).__name__, width=width)
        return explained_variance(self._pairs(X, y), width, "y")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _pairs(self, X, y):
        """Yield blocks of targets and of their predictions."""
        for start, block in finite_blocks(X):
            targets = np.asarray(y[start : start + len(block)])
            yield check_finite(targets, start, "y"), self._predict(block)

    def _predict(self, block):
        return self._decode(self._encode(block)) + self._rest(block)

    def _rest(self, block):
        """Return the part of the predictions that codes do not decode to: the skip connection."""
        if not hasattr(self, "skip_"):
            return 0
        return ((block - self.mean_) @ self.skip_).astype(block.dtype, copy=False)
