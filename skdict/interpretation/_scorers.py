"""The interpretability of a dictionary as one number, for searches and comparisons."""

from sklearn.base import BaseEstimator

from skdict.inspection import FeatureColumns, check_activations
from skdict.interpretation._feature_interpreter import make_study, scores_of
from skdict.metrics import split_rows


class InterpretabilityScorer(BaseEstimator):
    """Score a fitted dictionary by how well words explain its features.

    The callable behind ``scoring=InterpretabilityScorer()`` and
    ``compare_dictionaries(..., scorers=[InterpretabilityScorer()])``. It writes, chooses and tests
    explanations on three parts of the documents it is given, as `FeatureInterpreter` does: the
    same parts for every dictionary.

    Parameters
    ----------
    explainer, simulator, sampling, sign : object
        As in `FeatureInterpreter`.
    n_features : int or None, default=150
        Features to explain, the number that Cunningham et al. (2023) took; None for all.
    order, min_firings, window, nan_policy : object
        As in `FeatureInterpreter`.
    random_state : int, RandomState instance or None, default=0
        An int gives every dictionary the same documents and windows.

    See Also
    --------
    FeatureInterpreter : The estimator, which keeps explanations and scores.

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
        """Return the mean score of a dictionary's features.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one and may begin with texts.
        X : Activations of shape (n_tokens, n_features), or what the Pipeline takes
            Of at least three documents.
        y : None
            Ignored.

        Returns
        -------
        float
            The mean correlation; nan where no feature could be scored.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        return self.measure(estimator, X)["interpretability"]

    def measure(self, estimator, X):
        """Return the mean score, its interval and its controls.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one and may begin with texts.
        X : Activations of shape (n_tokens, n_features), or what the Pipeline takes
            Of at least three documents.

        Returns
        -------
        dict of str to float
            As `report_` of `FeatureInterpreter`.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        study = make_study(self)
        dictionary, rows = split_rows(estimator, X)
        found = study.run(FeatureColumns(dictionary, self.sign), check_activations(rows, "X"))
        return scores_of(self, study, found).summary()
