"""Estimator that explains the features of a dictionary and scores the explanations."""

import warnings
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_choice, check_rows
from skdict.decomposition import (
    KeepFittedDictionary,
    check_prefit,
    fit_or_use,
    is_transcoder,
    width_restored_on_error,
)
from skdict.inspection import FeatureColumns, check_activations
from skdict.inspection.evidence import (
    DocumentParts,
    FeatureDraw,
    fragments_to_test,
    split_fragments,
)
from skdict.interpretation._scores import Scores, Status
from skdict.interpretation._study import (
    Study,
    check_features,
    draw_seed,
    explainers_of,
)
from skdict.interpretation.simulators import RuleTest, SimulatorTest
from skdict.interpretation.strategies import check_strategy, writes_free_text

PAPER = "cunningham2023"
SAMPLINGS = ("full", "top_and_random", "top", "random", PAPER)


class FeatureInterpreter(KeepFittedDictionary, TransformerMixin, BaseEstimator):
    """Estimator that explains dictionary features in words and scores the explanations.

    Documents are split into three parts. Every explainer writes from the first part, and the best
    explainer of each feature is selected on the second. Like `refit=True` in scikit-learn's
    searches, the selected explainer then writes the final explanation from the first two parts
    together. It is scored on the third: the score of a feature is the Pearson correlation, over
    all tokens of the third part, between its codes and the codes predicted from its explanation
    and the text alone.

    A single rule-based explainer writes from the first two parts directly. Explanations are
    written from the first part alone if they are free text, or if the simulator is calibrated,
    which uses the second part. No language model is required, but one can be used to write
    explanations and to simulate codes.

    Parameters
    ----------
    dictionary : estimator
        Fitted or unfitted dictionary with `components_`, `transform` and `inverse_transform`, or
        a Pipeline that ends in one; or a transcoder, whose features are explained by the text on
        which they fire.
    explainer : explainer, list of explainers or None, default=None
        Explainer, or a list of explainers from which the best is selected for each feature, with
        the richest last; its correlation has a lead of 0.1, because rich explanations gain most
        from being written again from both parts. None means `LexiconExplainer`,
        `NGramExplainer` and `ContextExplainer`.
    simulator : simulator or None, default=None
        Simulator that predicts codes in windows from the text of an explanation, such as
        `LLMSimulator`. If None, codes are predicted by the rules of the explanation.
        `LLMExplainer` requires a simulator.
    sampling : {"full", "top_and_random", "top", "random", "cunningham2023"}, default="full"
        Tokens to score on. "full" uses all tokens. "top" uses the five windows with the largest
        codes of each feature, "random" five windows sampled among those in which it fires, and
        "top_and_random" both; these windows overestimate explanations that are too broad. A
        simulator requires windows. "cunningham2023" splits the fragments of each feature instead
        of documents, see `cunningham2023`.
    sign : {"split", "positive"}, default="split"
        If "split", negative codes are treated as separate features. If "positive", they are
        ignored. No explanation covers codes of both signs.
    n_features : int or None, default=None
        Number of features to explain. None means all.
    features : array-like of int or None, default=None
        Features to explain, numbered as in `features_`. Results follow their order. Overrides
        `n_features` and `order`. None means that `n_features` are chosen by `order`.
    order : {"random", "index"}, default="random"
        If "random", sample `n_features` among the features that fire. If "index", take the first
        ones.
    min_firings : int, default=10
        Minimum number of tokens of the first part on which a feature must fire to be scored.
    window : int, default=64
        Number of tokens in a window.
    nan_policy : {"zero", "omit"}, default="zero"
        Treatment of explanations with a constant prediction, whose score is undefined. "zero"
        counts them as 0 in means, "omit" leaves them out.
    prefit : {"auto", True, False}, default="auto"
        If True, use the dictionary as it is. If False, fit a clone of it. "auto" uses a fitted
        dictionary as it is and fits a clone of an unfitted one.
    random_state : int, RandomState instance or None, default=None
        Seed for splitting documents, sampling features and windows, and bootstrapping. Pass an
        int for reproducible results across calls.

    Attributes
    ----------
    dictionary_ : estimator
        The fitted dictionary.
    features_ : ndarray of int, shape (n_explained,)
        Explained features: columns of the codes, ascending or in the order of `features`. Values
        from the number of components on stand for the negative codes of column
        ``feature - n_components``.
    explanations_ : list of Explanation or None
        Explanation of each feature in `features_`; None if there is none.
    scores_ : ndarray of shape (n_explained,)
        Score of each explanation; nan if `status_` is not "scored".
    status_ : ndarray of str, shape (n_explained,)
        Outcome for each feature. "scored"; "dead" if the feature does not fire in the first part;
        "insufficient" if it fires on fewer than `min_firings` tokens of the first part or on no
        token of the third; "failed" if it has no explanation or a reply could not be read;
        "undefined" if the prediction is constant; "stopped" if the budget was spent first.
    counts_ : dict of str to int
        Number of features for each status, such as `n_scored`. `n_dead` counts the dead
        components of the whole dictionary.
    report_ : dict of str to float
        `interpretability`, the mean score, with its 95 % bootstrap confidence interval over
        features, and the median; `context_gain`, the mean gain over explanations by single
        tokens, written from the same documents, with its interval; `shuffled`, the mean score of
        the shuffled-explanation control; and `counts_`.
    failures_ : dict of int to Failure
        First failure of each feature for which a language-model call failed, with the raw reply.
    simulations_ : dict of int to Simulation
        Windows of each feature with the predictions of the simulator.
    protocol_ : str
        "cunningham2023" if `sampling` is "cunningham2023", else "skdict".
    mean_score_, median_score_ : float
        Mean and median score over features.
    interval_ : (float, float)
        95 % bootstrap confidence interval of the mean score.
    n_features_in_ : int
        Number of columns of the activations.

    See Also
    --------
    InterpretabilityScorer : Callable for `scoring=` that returns the same mean score.

    Examples
    --------
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interpretation import FeatureInterpreter
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:20])
    >>> sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0)
    >>> interpreter = FeatureInterpreter(sae, n_features=8, random_state=0).fit(acts)
    >>> len(interpreter.explanations_), interpreter.transform(acts).shape[1]
    (8, 64)
    """

    def __init__(
        self,
        dictionary,
        *,
        explainer=None,
        simulator=None,
        sampling="full",
        sign="split",
        n_features=None,
        features=None,
        order="random",
        min_firings=10,
        window=64,
        nan_policy="zero",
        prefit="auto",
        random_state=None,
    ):
        self.dictionary = dictionary
        self.explainer = explainer
        self.simulator = simulator
        self.sampling = sampling
        self.sign = sign
        self.n_features = n_features
        self.features = features
        self.order = order
        self.min_firings = min_firings
        self.window = window
        self.nan_policy = nan_policy
        self.prefit = prefit
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the dictionary if needed, explain its features and score the explanations.

        Parameters
        ----------
        X : Activations of shape (n_tokens, n_features)
            Activations of at least three documents.
        y : array-like of shape (n_tokens, n_targets) or None, default=None
            Targets to fit an unfitted transcoder on. Ignored for other dictionaries.

        Returns
        -------
        FeatureInterpreter
            The estimator itself.

        Raises
        ------
        TypeError
            If X is not `Activations`, or a parameter has the wrong type.
        ValueError
            If a parameter is out of range, a feature does not exist or is repeated, X has fewer
            than three documents, or a transcoder is to be fitted without `y`.
        """
        study = make_study(self, self.features)
        check_prefit(self.prefit)
        with width_restored_on_error(self):
            X = check_rows(self, check_activations(X, "X"), reset=True)
            targets = y if is_transcoder(self.dictionary) else None
            dictionary = fit_or_use(self.dictionary, X, targets, prefit=self.prefit)
            found = study.run(FeatureColumns(dictionary, self.sign), X)
        self.dictionary_, self._study, self._found = dictionary, study, found
        scores = scores_of(self, study, found)
        self.features_, self.explanations_ = found.features, found.explanations
        self.scores_, self.status_ = scores.score, scores.status
        self.counts_, self.report_ = scores.counts(), scores.summary()
        by_place = found.attempts.first(), found.results.simulations
        self.failures_, self.simulations_ = (
            {int(found.features[j]): one for j, one in things.items()} for things in by_place
        )
        self.protocol_ = PAPER if self.sampling == PAPER else "skdict"
        self.mean_score_ = self.report_["interpretability"]
        self.median_score_ = self.report_["interpretability_median"]
        self.interval_ = (
            self.report_["interpretability_low"],
            self.report_["interpretability_high"],
        )
        return self

    def transform(self, X):
        """Encode activations with the dictionary.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_features)
            Activations.

        Returns
        -------
        csr_array or ndarray of shape (n_tokens, n_components)
            Codes.
        """
        check_is_fitted(self)
        return self.dictionary_.transform(X)

    def score(self, X, y=None):
        """Return the mean score of the explanations on new documents.

        Parameters
        ----------
        X : Activations of shape (n_tokens, n_features)
            Activations of held-out documents. All tokens are used for scoring, and the
            explanations found by `fit` are used unchanged.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean correlation over features; nan if no feature can be scored.

        Raises
        ------
        TypeError
            If X is not `Activations`.
        """
        check_is_fitted(self)
        X = check_rows(self, check_activations(X, "X"), reset=False)
        columns = FeatureColumns(self.dictionary_, self.sign)
        if self.sampling == PAPER:
            seed = self._study.test.seed
            evidence = fragments_to_test(columns, X, self.features_, seed)
        else:
            evidence = DocumentParts.to_test(columns, X, self.features_)
        found = self._study.test_again(evidence, self._found)
        return scores_of(self, self._study, found).summary()["interpretability"]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the codes.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str of shape (n_components,)
            Output feature names of the dictionary.
        """
        check_is_fitted(self)
        return self.dictionary_.get_feature_names_out()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Plain arrays are not enough: explanations need the token of each row.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def make_study(params, features=None):
    """Check the parameters of an interpreter or scorer and return its study."""
    check_choice("sampling", params.sampling, SAMPLINGS)
    check_choice("nan_policy", params.nan_policy, ("zero", "omit"))
    check_features(params, features)
    explainers = explainers_of(params.explainer)
    _check_together(params, explainers)
    seed = draw_seed(params.random_state)
    draw = FeatureDraw(params.n_features, params.order, seed, features)
    test = RuleTest(params.sampling, params.window, seed)
    if params.simulator is not None:
        test = SimulatorTest(params.simulator, params.sampling, params.window, seed)
    split = split_fragments if params.sampling == PAPER else DocumentParts.split
    return Study(partial(split, draw=draw), explainers, test, min_firings=params.min_firings)


def scores_of(params, study, found):
    """Return the scores of a study, and warn if the budget ended it early."""
    n_stopped = int((found.status == Status.STOPPED).sum())
    if n_stopped:
        warnings.warn(
            f"the budget was spent before {n_stopped} of {len(found.features)} features were "
            f"done; raise max_calls or max_tokens and run again with the same cache_dir, so that "
            f"no reply is paid for twice",
            stacklevel=3,
        )
    return Scores(
        found.status,
        np.where(found.status == Status.SCORED, found.results.score, np.nan),
        found.results.lexicon,
        found.results.shuffled,
        found.n_dead,
        params.nan_policy,
        study.test.seed,
    )


def _check_together(params, explainers):
    """Reject combinations of explainer, simulator and sampling that do not work together."""
    free, simulator = any(map(writes_free_text, explainers)), params.simulator
    if simulator is None:
        if free or params.sampling == PAPER:
            raise ValueError(
                f"explainer={params.explainer!r} with sampling={params.sampling!r} needs a "
                f"simulator; pass simulator=LLMSimulator(client)"
            )
        return
    check_strategy("simulator", simulator)
    if params.sampling == "full":
        raise ValueError(
            'sampling="full" would query the simulator for every token; pass "top_and_random", '
            '"top" or "random"'
        )
    if len(explainers) != 1 or (params.sampling == PAPER and not free):
        raise TypeError(
            f"explainer={params.explainer!r} is not accepted with a simulator: pass one explainer, "
            f"such as LLMExplainer(client)"
        )
