"""Base class of the dictionaries in this package."""

from contextlib import contextmanager

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_rows
from skdict.decomposition._blocks import finite_blocks
from skdict.decomposition._codes import check_codes, explained_variance


@contextmanager
def width_restored_on_error(estimator):
    """Restore the width and column names of a fitted estimator if a refit fails.

    These are set when rows are checked, and everything else after training. With this context, a
    fit that fails or is interrupted leaves the estimator unchanged.
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
    """Base class of dictionaries with `components_`, `_encode` and `_decode`.

    The public methods check rows before `_encode` and codes before `_decode`.
    """

    def transform(self, X):
        """Encode rows as codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows: an array, a tensor, a memory map or `Activations`; the latter two are read
            in slices.

        Returns
        -------
        csr_array or ndarray of shape (n_samples, n_components)
            Codes in units of the rows, float64 for float64 rows and float32 otherwise. Sparse
            dictionaries return a CSR array. The codes of a row do not depend on other rows.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If X has another width than the training rows, or contains NaN or infinity.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        return self._encode(check_rows(self, X, reset=False))

    def inverse_transform(self, X):
        """Reconstruct rows from codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructed rows, in the dtype of the codes: float32 or float64.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If the number of columns of X is not `n_components`, or a code is NaN or infinite.
        """
        check_is_fitted(self)
        return self._decode(check_codes(X, self._n_features_out, type(self).__name__))

    def score(self, X, y=None):
        r"""Return the fraction of variance explained, 1 - FVU.

        .. math:: 1 - \frac{\sum_i \|x_i - \hat x_i\|_2^2}{\sum_i \|x_i - \bar x\|_2^2}

        with :math:`\bar x` the mean of the rows passed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        float
            Fraction of variance explained: 1 if the reconstruction is exact, 0 if it is no better
            than the mean, negative if it is worse.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If X has another width than the training rows, contains NaN or infinity, or does not
            vary.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        blocks = (block for _, block in finite_blocks(X))
        pairs = ((block, self._reconstruct(block)) for block in blocks)
        return explained_variance(pairs, X.shape[1])

    def _reconstruct(self, rows):
        """Return the reconstruction of checked rows."""
        return self.inverse_transform(self._encode(rows))

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Integers are converted to the first dtype.
        tags.transformer_tags.preserves_dtype = ["float32", "float64"]
        return tags
