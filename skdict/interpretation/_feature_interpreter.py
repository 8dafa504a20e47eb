"""The estimator that holds a dictionary and explains its features."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from skdict._llm import check_parts
from skdict._validation import check_choice, check_number, check_random_state, check_rows, is_fitted
from skdict.activations import Activations
from skdict.decomposition import width_restored_on_error
from skdict.inspection import FeatureColumns
from skdict.interpretation._engine import Engine
from skdict.interpretation._simulated_engine import PAPER, SimulatedEngine

SAMPLINGS = ("full", "top_and_random", "top", "random", PAPER)


class FeatureInterpreter(TransformerMixin, BaseEstimator):
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
        engine = make_engine(self)
        with width_restored_on_error(self):
            X = check_rows(self, check_tokens(X), reset=True)
            dictionary = self._fitted_dictionary(X)
            found = engine.interpret(FeatureColumns(dictionary, self.sign), X)
        self.dictionary_, self._engine, self._found = dictionary, engine, found
        scores = found.scores
        self.features_, self.explanations_ = found.features, found.explanations
        self.scores_, self.status_ = scores.score, scores.status
        self.counts_, self.report_ = scores.counts(), scores.summary()
        self.failures_, self.simulations_ = found.failures, found.simulations
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
        X = check_rows(self, check_tokens(X), reset=False)
        columns = FeatureColumns(self.dictionary_, self.sign)
        return self._engine.evaluate(columns, X, self._found).summary()["interpretability"]

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

    def __sklearn_clone__(self):
        # A plain clone would unfit a fitted dictionary, and a search would fit it again.
        params = {
            name: clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
            if name != "dictionary"
        }
        keep = self.prefit is not False and is_fitted(self.dictionary)
        return type(self)(self.dictionary if keep else clone(self.dictionary), **params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Rows alone do not tell which tokens they are.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _fitted_dictionary(self, X):
        if self.prefit is True:
            check_is_fitted(self.dictionary)
        if self.prefit is not False and is_fitted(self.dictionary):
            return self.dictionary
        return clone(self.dictionary).fit(X)


def check_tokens(X):
    """Refuse rows that do not know their tokens."""
    if not isinstance(X, Activations):
        raise TypeError(
            f"X is {type(X).__name__}; pass Activations, which know the token of each row, as "
            f"ActivationExtractor gives them"
        )
    return X


def make_engine(params):
    """Return the engine for the parameters of an interpreter or a scorer, checked."""
    check_choice("sampling", params.sampling, SAMPLINGS)
    check_choice("sign", params.sign, ("split", "positive"))
    check_choice("order", params.order, ("random", "index"))
    check_choice("nan_policy", params.nan_policy, ("zero", "omit"))
    if params.n_features is not None:
        check_number("n_features", params.n_features, low=1, integer=True)
    for name in ("min_firings", "window"):
        check_number(name, getattr(params, name), low=1, integer=True)
    if hasattr(params, "prefit"):
        check_choice("prefit", params.prefit, ("auto", True, False))
    names = ("sampling", "n_features", "order", "min_firings", "window", "nan_policy")
    seed = int(check_random_state(params.random_state).randint(np.iinfo(np.int32).max))
    options = {name: getattr(params, name) for name in names}
    _check_simulator(params)
    check_parts(*_as_list(params.explainer), params.simulator)
    if params.simulator is not None:
        return SimulatedEngine(params.explainer, params.simulator, seed=seed, **options)
    return Engine(params.explainer, seed=seed, **options)


def _check_simulator(params):
    """Refuse explainer, simulator and sampling that do not go together."""
    simulator, explainer = params.simulator, params.explainer
    free = any(hasattr(e, "explain_records") for e in _as_list(explainer))
    if simulator is None:
        if free or params.sampling == PAPER:
            raise ValueError(
                f"explainer={explainer!r} with sampling={params.sampling!r} needs a simulator; "
                f"pass simulator=LLMSimulator(client)"
            )
        return
    if not hasattr(simulator, "simulate"):
        raise TypeError(
            f"simulator={simulator!r} is not accepted: pass a simulator such as "
            f"LLMSimulator(client), or None"
        )
    if params.sampling == "full":
        raise ValueError(
            'sampling="full" would ask the simulator about every token; pass "top_and_random", '
            '"top" or "random"'
        )
    if len(_as_list(explainer)) != 1 or (params.sampling == PAPER and not free):
        raise TypeError(
            f"explainer={explainer!r} is not accepted with a simulator: pass one explainer, such "
            f"as LLMExplainer(client)"
        )


def _as_list(explainer):
    return list(explainer) if isinstance(explainer, (list, tuple)) else [explainer]
