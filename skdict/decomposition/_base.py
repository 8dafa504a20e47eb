"""What our dictionaries share."""

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_rows
from skdict.decomposition._codes import explained_variance


class BaseDictionary(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """What follows from `components_`, `transform` and `inverse_transform`."""

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
        return explained_variance(self, check_rows(self, X, reset=False))

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # The first is what integers become.
        tags.transformer_tags.preserves_dtype = ["float32", "float64"]
        return tags
