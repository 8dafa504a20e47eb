"""What our dictionaries share."""

from contextlib import contextmanager

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_rows
from skdict.decomposition._codes import check_codes, explained_variance


@contextmanager
def width_restored_on_error(estimator):
    """Restore the width and column names of a fitted estimator if a refit fails.

    They are set when rows are checked, everything else after training, so that a fit that fails
    or is interrupted leaves the estimator as it was.
    """
    names = ("n_features_in_", "feature_names_in_")
    before = {name: value for name, value in vars(estimator).items() if name in names}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise


class BaseDictionary(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What follows from `components_`, `_encode` (checked rows) and `_decode` (checked codes)."""

    def transform(self, X):
        """Encode rows into codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows: an array, a tensor, a memory map or `Activations`; the latter two are read
            in slices.

        Returns
        -------
        csr_array or ndarray of shape (n_samples, n_components)
            Codes in units of the rows, in float64 for float64, else float32; sparse where most
            are zero. A row's codes do not depend on other rows.

        Raises
        ------
        ValueError
            If X has another width than the rows fitted, or holds NaN or infinity.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        return self._encode(check_rows(self, X, reset=False))

    def inverse_transform(self, X):
        """Decode codes into rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Rows, in the dtype of the codes.

        Raises
        ------
        ValueError
            If X has another number of columns than there are components, or a code is NaN or
            infinite.
        """
        check_is_fitted(self)
        return self._decode(check_codes(X, len(self.components_), type(self).__name__))

    def score(self, X, y=None):
        """Return the fraction of variance explained, 1 - FVU.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        float
            1 where codes rebuild the rows exactly, 0 where they do no better than the mean.

        Raises
        ------
        ValueError
            If X has another width than the rows fitted, is not finite or does not vary.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        return explained_variance(X, self._encode, self.inverse_transform)

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # The first is what integers become.
        tags.transformer_tags.preserves_dtype = ["float32", "float64"]
        return tags
