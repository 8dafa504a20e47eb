"""Scorer for the interpretability of a dictionary, for searches and comparisons."""

from sklearn.base import BaseEstimator

from skdict.inspection import FeatureColumns, check_activations
from skdict.interpretation._feature_interpreter import make_study, scores_of
from skdict.metrics import split_rows


class InterpretabilityScorer(BaseEstimator):
    """Scorer that measures how well explanations predict the features of a fitted dictionary.

    Use as ``scoring=InterpretabilityScorer()`` or
    ``compare_dictionaries(..., scorers=[InterpretabilityScorer()])``. As in `FeatureInterpreter`,
    documents are split into three parts: rule-based explanations are written from two parts, on
    the second of which the explainer of each feature is selected, and scored on the third. All
    dictionaries are scored on the same split.

    Parameters
    ----------
    explainer, simulator, sampling, sign : object
        See `FeatureInterpreter`.
    n_features : int or None, default=150
        Number of features to explain, as in Cunningham et al. (2023). None means all.
    order, min_firings, window, nan_policy : object
        See `FeatureInterpreter`.
    random_state : int, RandomState instance or None, default=0
        Seed for the split and for sampling. With an int, every dictionary is scored on the same
        documents and windows.

    See Also
    --------
    FeatureInterpreter : Estimator that stores explanations and scores.

    Examples
    --------
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interpretation import InterpretabilityScorer
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:20])
    >>> sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0).fit(acts)
    >>> measures = InterpretabilityScorer(n_features=8).measure(sae, acts)
    >>> measures["shuffled"] < measures["interpretability"]
    True
    """

    def __init__(
        self,
        *,
        explainer=None,
        simulator=None,
        sampling="full",
        sign="split",
        n_features=150,
        order="random",
        min_firings=10,
        window=64,
        nan_policy="zero",
        random_state=0,
    ):
        self.explainer = explainer
        self.simulator = simulator
        self.sampling = sampling
        self.sign = sign
        self.n_features = n_features
        self.order = order
        self.min_firings = min_firings
        self.window = window
        self.nan_policy = nan_policy
        self.random_state = random_state

    def __call__(self, estimator, X, y=None):
        """Return the mean score over the features of a dictionary.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : Activations of shape (n_tokens, n_features), or input of the Pipeline
            Activations of at least three documents, or texts or activations for the Pipeline.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean correlation; nan if no feature can be scored.

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or the rows have no token information.
        ValueError
            If a parameter is out of range, or there are fewer than three documents.
        """
        return self.measure(estimator, X)["interpretability"]

    def measure(self, estimator, X):
        """Return the mean score with its confidence interval, controls and counts.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : Activations of shape (n_tokens, n_features), or input of the Pipeline
            Activations of at least three documents, or texts or activations for the Pipeline.

        Returns
        -------
        dict of str to float
            The measures of `report_` of `FeatureInterpreter`.

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or the rows have no token information.
        ValueError
            If a parameter is out of range, or there are fewer than three documents.
        """
        study = make_study(self)
        dictionary, rows = split_rows(estimator, X)
        found = study.run(FeatureColumns(dictionary, self.sign), check_activations(rows, "X"))
        return scores_of(self, study, found).summary()
