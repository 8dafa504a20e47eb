"""The estimator that holds a dictionary and explains its features."""

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
from skdict.interpretation.strategies import check_strategy, writes_free_words

PAPER = "cunningham2023"
SAMPLINGS = ("full", "top_and_random", "top", "random", PAPER)


class FeatureInterpreter(KeepFittedDictionary, TransformerMixin, BaseEstimator):
    """Explain the features of a dictionary in words, and score the explanations.

    Documents are dealt out to three parts first. Explanations are written from the first,
    the best of each feature is chosen on the second, and scored on the third: the score of a
    feature is the Pearson correlation, over all tokens of the third part, of its codes with what
    its explanation predicts from the text alone. No language model is needed; one may write the
    explanations and predict from them.

    Parameters
    ----------
    dictionary : estimator
        With `components_`, `transform` and `inverse_transform` once fitted; a Pipeline may
        end in one.
    explainer : explainer, list of explainers or None, default=None
        Of several, the best is chosen for each feature. None stands for `LexiconExplainer`,
        `NGramExplainer` and `ContextExplainer`.
    simulator : simulator or None, default=None
        Such as `LLMSimulator`: predicts from the words of an explanation, in windows. None lets
        the rules of the explanation predict. `LLMExplainer` needs one.
    sampling : {"full", "top_and_random", "top", "random", "cunningham2023"}, default="full"
        Tokens to score on: all of them; or, pooled for each feature, the five windows of its
        largest codes, five drawn among those in which it fires, or both. Windows overrate
        explanations that say too much. A simulator needs windows. "cunningham2023" does not deal
        out documents but the fragments of each feature, see `cunningham2023`.
    sign : {"split", "positive"}, default="split"
        Negative codes are features of their own, or left out. Neither is asked of an
        explanation along with the positive ones.
    n_features : int or None, default=None
        Features to explain; None for all.
    order : {"random", "index"}, default="random"
        Whether `n_features` are drawn among those that fire, or are the first ones.
    min_firings : int, default=10
        Tokens of the first part that a feature must fire on to be scored.
    window : int, default=64
        Tokens in a window.
    nan_policy : {"zero", "omit"}, default="zero"
        Whether an explanation that predicts the same everywhere counts as 0 in means.
    prefit : {"auto", True, False}, default="auto"
        Whether the dictionary is used as it is. "auto" uses a fitted one and fits a clone of
        an unfitted one.
    random_state : int, RandomState instance or None, default=None
        Of the parts, of what is drawn and of the intervals.

    Attributes
    ----------
    dictionary_ : estimator
        The fitted dictionary.
    features_ : ndarray of int, shape (n_explained,)
        The features: columns of the codes; from the number of components on, the negative
        codes of column ``feature - n_components``.
    explanations_ : list of Explanation or None
        One for each of `features_`; None where there is none.
    scores_ : ndarray of shape (n_explained,)
        Their scores; nan where `status_` is not "scored".
    status_ : ndarray of str, shape (n_explained,)
        "scored"; "dead" if the feature does not fire in the first part; "insufficient" if it
        fires on fewer than `min_firings` tokens there, or never in the third part; "failed" if
        there is no explanation or a reply could not be read; "undefined" if it predicts the same
        everywhere; "stopped" if the budget was spent before.
    counts_ : dict of str to int
        `n_scored` and so on for each status; `n_dead` counts the dead of all components.
    report_ : dict of str to float
        `interpretability`, the mean score, with the 95 % bootstrap interval over features and
        the median; `context_gain`, how much of the mean tokens alone would not reach, with its
        interval; `shuffled`, the mean with explanations exchanged between features; the counts.
    failures_ : dict of int to Failure
        By feature, what went wrong where a language model was asked, with the raw reply.
    simulations_ : dict of int to Simulation
        By feature, windows with what the simulator predicted there.
    protocol_ : str
        "cunningham2023" where its sampling was used, else "skdict".
    mean_score_, median_score_ : float
        Over features.
    interval_ : (float, float)
        Of the mean.
    n_features_in_ : int
        Width of the rows.

    See Also
    --------
    InterpretabilityScorer : The same as a callable for `scoring=`.

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
        self.order = order
        self.min_firings = min_firings
        self.window = window
        self.nan_policy = nan_policy
        self.prefit = prefit
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the dictionary unless it is fitted, explain its features and score that.

        Parameters
        ----------
        X : Activations of shape (n_tokens, n_features)
            Of at least three documents.
        y : None
            Ignored.

        Returns
        -------
        FeatureInterpreter
            The estimator itself.

        Raises
        ------
        TypeError
            If X is no `Activations`, or a parameter is of the wrong kind.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        study = make_study(self)
        check_prefit(self.prefit)
        with width_restored_on_error(self):
            X = check_rows(self, check_activations(X, "X"), reset=True)
            dictionary = fit_or_use(self.dictionary, X, prefit=self.prefit)
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
        """Encode rows into codes, as the dictionary does.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_features)
            Rows.

        Returns
        -------
        csr_array or ndarray of shape (n_tokens, n_components)
            Codes.
        """
        check_is_fitted(self)
        return self.dictionary_.transform(X)

    def score(self, X, y=None):
        """Return the mean score of the explanations on other documents.

        Parameters
        ----------
        X : Activations of shape (n_tokens, n_features)
            All their tokens count; nothing is explained anew.
        y : None
            Ignored.

        Returns
        -------
        float
            The mean correlation over features; nan where none could be scored.

        Raises
        ------
        TypeError
            If X is no `Activations`.
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
            The dictionary's own names.
        """
        check_is_fitted(self)
        return self.dictionary_.get_feature_names_out()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Rows alone do not tell which tokens they are.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def make_study(params):
    """Return the study for the parameters of an interpreter or a scorer, checked."""
    check_choice("sampling", params.sampling, SAMPLINGS)
    check_choice("nan_policy", params.nan_policy, ("zero", "omit"))
    check_features(params)
    explainers = explainers_of(params.explainer)
    _check_together(params, explainers)
    seed = draw_seed(params.random_state)
    draw = FeatureDraw(params.n_features, params.order, seed)
    test = RuleTest(params.sampling, params.window, seed)
    if params.simulator is not None:
        test = SimulatorTest(params.simulator, params.sampling, params.window, seed)
    split = split_fragments if params.sampling == PAPER else DocumentParts.split
    return Study(partial(split, draw=draw), explainers, test, min_firings=params.min_firings)


def scores_of(params, study, found):
    """Return the scores that a study found, and warn where the budget ended it."""
    n_stopped = int((found.status == Status.STOPPED).sum())
    if n_stopped:
        warnings.warn(
            f"the budget was spent before {n_stopped} of {len(found.features)} features were "
            f"done; allow more and fit again, with the same cache_dir nothing is paid twice",
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
    """Refuse explainers, simulator and sampling that do not go together."""
    free, simulator = any(map(writes_free_words, explainers)), params.simulator
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
            'sampling="full" would ask the simulator about every token; pass "top_and_random", '
            '"top" or "random"'
        )
    if len(explainers) != 1 or (params.sampling == PAPER and not free):
        raise TypeError(
            f"explainer={params.explainer!r} is not accepted with a simulator: pass one explainer, "
            f"such as LLMExplainer(client)"
        )
