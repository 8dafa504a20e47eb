"""Turn texts into pooled codes of a dictionary, one row for each text."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_choice, check_texts
from skdict.decomposition import KeepFittedDictionary, fit_or_use
from skdict.feature_extraction._activation_extractor import ActivationExtractor
from skdict.feature_extraction._pooling import POOLINGS, pool_rows


class FeatureVectorizer(KeepFittedDictionary, TransformerMixin, BaseEstimator):
    """Vectorizer that turns each text into one row of pooled codes.

    Use it before a classifier with one label per text, in place of a `TfidfVectorizer`.

    Parameters
    ----------
    extractor : ActivationExtractor
        Extractor of activations, one row for each token.
    dictionary : estimator
        Dictionary that encodes the activations. A fitted dictionary is used as is; for an
        unfitted one, a clone is fitted on the activations of the training texts.
    pooling : {"max", "mean", "last"}, default="max"
        Method to pool the codes of the tokens of a text into one row.

    Attributes
    ----------
    extractor_ : ActivationExtractor
        Clone of the extractor.
    dictionary_ : estimator
        Fitted dictionary.

    See Also
    --------
    ActivationExtractor : Return one row of activations for each text with ``pooling=``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.feature_extraction import FeatureVectorizer
    >>> stories = load_stories()
    >>> texts = ["Lily saw a big dog.", "Tom ate the red apple.", "A dog ran.", "She ate."] * 3
    >>> vectorizer = FeatureVectorizer(
    ...     ActivationExtractor(stories.model, "resid_post.1"),
    ...     SparseDictionaryAutoencoder(64, max_iter=1, random_state=0),
    ... )
    >>> classifier = make_pipeline(vectorizer, LogisticRegression()).fit(texts, [1, 0, 1, 0] * 3)
    >>> classifier.score(texts, [1, 0, 1, 0] * 3)
    1.0
    """

    def __init__(self, extractor, dictionary, *, pooling="max"):
        self.extractor = extractor
        self.dictionary = dictionary
        self.pooling = pooling

    def fit(self, X, y=None):
        """Fit the dictionary on the activations of texts, unless it is already fitted.

        Parameters
        ----------
        X : list of str
            Texts.
        y : None
            Ignored.

        Returns
        -------
        FeatureVectorizer
            The estimator itself.

        Raises
        ------
        ValueError
            If `pooling` is not one of the accepted values, the extractor pools, or a text is
            empty.
        TypeError
            If X is not a list of strings.
        """
        self._fit(check_texts(X))
        return self

    def fit_transform(self, X, y=None):
        """Fit on texts and return their pooled codes, running the model only once.

        Parameters
        ----------
        X : list of str
            Texts.
        y : None
            Ignored.

        Returns
        -------
        csr_array or ndarray of shape (n_texts, n_components)
            Pooled codes; see `transform`.

        Raises
        ------
        ValueError
            If `fit` would raise it, or a text has no token left to pool.
        TypeError
            If X is not a list of strings.
        """
        texts = check_texts(X)
        return self._pool(self._fit(texts), len(texts))

    def transform(self, X):
        """Return the pooled codes of texts.

        Parameters
        ----------
        X : list of str
            Texts.

        Returns
        -------
        csr_array or ndarray of shape (n_texts, n_components)
            One row for each text, sparse if the codes of the dictionary are.

        Raises
        ------
        ValueError
            If a text is empty or has no token left to pool.
        TypeError
            If X is not a list of strings.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        return self._pool(self.extractor_.transform(texts), len(texts))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_components,)
            Feature names of the dictionary.
        """
        check_is_fitted(self)
        return self.dictionary_.get_feature_names_out()

    def _fit(self, texts):
        check_choice("pooling", self.pooling, POOLINGS)
        extractor = clone(self.extractor)
        if isinstance(extractor, ActivationExtractor):
            # Pooling needs the document of each row, which a data frame would not keep.
            extractor.set_output(transform="default")
        if extractor.pooling is not None:
            raise ValueError(
                f"the extractor has pooling={extractor.pooling!r}, which leaves no tokens to "
                f"encode; set pooling=None on the extractor and pass pooling to FeatureVectorizer"
            )
        activations = extractor.fit_transform(texts)
        self.extractor_ = extractor
        self.dictionary_ = fit_or_use(self.dictionary, activations)
        return activations

    def _pool(self, activations, n_texts):
        codes = self.dictionary_.transform(activations)
        codes = scipy.sparse.csr_array(codes) if scipy.sparse.issparse(codes) else np.asarray(codes)
        return pool_rows(codes, activations.documents, n_texts, self.pooling)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags
