"""Scores of explanations by what a judge makes of them: detection, fuzzing, intruder."""

import numpy as np

from skdict._validation import check_number
from skdict.interpretation._scores import defined_mean
from skdict.interpretation.judges._base import JudgeScorer
from skdict.interpretation.judges._embedding_judge import EmbeddingJudge
from skdict.interpretation.judges._marks import right_marks, wrong_marks
from skdict.interpretation.judges._measures import judgment_measures
from skdict.interpretation.judges._window import Window

MEASURES = ("balanced_accuracy", "f1", "auroc")
CORPUS = ("corpus_f1", "corpus_average_precision", "corpus_correlation")
# Windows with the feature that those of a trial are drawn from, for each one shown.
POOL_PER_SHOWN = 5


class ExplanationScorer(JudgeScorer):
    """The parameters of scorers whose judge is given an explanation."""

    def __init__(
        self,
        judge=None,
        *,
        metric="auto",
        negatives="random",
        n_positive=50,
        n_negative=50,
        window=32,
        n_shown=5,
        sampling="random",
        control=True,
        explainer=None,
        sign="split",
        n_features=150,
        order="random",
        min_firings=10,
        random_state=0,
    ):
        self.judge = judge
        self.metric = metric
        self.negatives = negatives
        self.n_positive = n_positive
        self.n_negative = n_negative
        self.window = window
        self.n_shown = n_shown
        self.sampling = sampling
        self.control = control
        self.explainer = explainer
        self.sign = sign
        self.n_features = n_features
        self.order = order
        self.min_firings = min_firings
        self.random_state = random_state


class DetectionScorer(ExplanationScorer):
    """Score explanations by whether a judge can tell the windows in which the feature fires.

    Explanations are made as in `FeatureInterpreter`. On the documents kept apart, the judge is
    shown an explanation and a few windows of plain text, and says for each whether the feature
    fires in it. A window fits if it fires on any token.

    Parameters
    ----------
    judge : object or None, default=None
        With ``judge(explanation, windows)``. None is a `SimulatorJudge`, which needs no language
        model and explanations of an offline explainer.
    metric : str, default="auto"
        What a call returns: "corpus_f1", "corpus_average_precision" or "corpus_correlation",
        in which windows are weighted to occur as often as in the text; or "balanced_accuracy",
        "f1" or "auroc", which take as many silent windows as were drawn and so hardly notice
        an explanation that says too much. "auto" is "corpus_f1", or "auroc" for hard negatives.
    negatives : {"random", "hard"}, default="random"
        Silent windows drawn uniformly, or the ones whose tokens are most like those of windows
        with the feature. Hard ones have no `corpus` measures.
    n_positive, n_negative : int, default=50
        Most windows with the feature and without.
    window : int, default=32
        Tokens in a window.
    n_shown : int, default=5
        Windows that the judge is shown at a time.
    sampling : {"random", "delphi"}, default="random"
        Windows with the feature drawn from documents kept apart, or as in `delphi`.
    control : bool, default=True
        Whether `measure` has every feature judged by another's explanation, too: `shuffled`. It
        doubles what is asked of the judge.
    explainer, sign, n_features, order, min_firings : object
        As in `InterpretabilityScorer`.
    random_state : int, default=0
        Of documents, features and windows.

    References
    ----------
    Paulo, Mallen, Juang and Belrose (2024), "Automatically interpreting millions of features in
    large language models".

    Examples
    --------
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interpretation import DetectionScorer
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:60])
    >>> sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0).fit(acts)
    >>> 0 < DetectionScorer(n_features=8, window=8)(sae, acts) <= 1
    True
    """

    task = "detection"

    @property
    def _default_metric(self):
        return "corpus_f1" if self.negatives == "random" else "auroc"

    def _names(self):
        return MEASURES + (CORPUS if self.negatives == "random" else ())

    def _judge_feature(self, cases, j, rng, ask):
        """Return what the verdicts on a feature's windows are worth."""
        records, vocabulary = cases.records[j], cases.vocabulary
        silent = self._negatives(records)
        windows = [Window.of(r, vocabulary) for r in [*records.random, *silent]]
        labels = np.arange(len(windows)) < len(records.random)
        said = ask(windows, seed=int(rng.integers(2**32)))
        prevalence = cases.prevalence[j] if self.negatives == "random" else None
        return judgment_measures(labels, said, prevalence=prevalence)


class FuzzingScorer(ExplanationScorer):
    """Score explanations by whether a judge can tell right marks from wrong ones.

    As `DetectionScorer`, but tokens are marked: where the feature fires, all of at least 0.3
    of its largest code in the window; elsewhere as many random ones as are marked on average. The
    judge says whether the marks fit the explanation.

    Parameters
    ----------
    judge : object or None, default=None
        With ``judge(explanation, windows)``; None is a `SimulatorJudge`.
    metric : {"auto", "balanced_accuracy", "f1", "auroc"}, default="auto"
        What a call returns; "auto" is "balanced_accuracy". None of them can notice an explanation
        that says too much of a rare feature: a random token is hardly ever one of those named
        wrongly.
    negatives : {"random", "hard"}, default="random"
        Wrong marks in silent windows, or in windows in which the feature fires, on other tokens.
    n_positive, n_negative : int, default=50
        Most windows with right marks and with wrong ones.
    window : int, default=32
        Tokens in a window.
    n_shown : int, default=5
        Windows that the judge is shown at a time.
    sampling : {"random", "delphi"}, default="random"
        Windows with the feature drawn from documents kept apart, or as in `delphi`.
    control : bool, default=True
        Whether `measure` has every feature judged by another's explanation, too: `shuffled`. It
        doubles what is asked of the judge.
    explainer, sign, n_features, order, min_firings : object
        As in `InterpretabilityScorer`.
    random_state : int, default=0
        Of documents, features, windows and wrong marks.

    References
    ----------
    Paulo, Mallen, Juang and Belrose (2024), "Automatically interpreting millions of features in
    large language models".

    Examples
    --------
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interpretation import FuzzingScorer
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:60])
    >>> sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0).fit(acts)
    >>> FuzzingScorer(n_features=8, window=8)(sae, acts) > 0.5
    True
    """

    task = "fuzzing"
    _default_metric = "balanced_accuracy"

    def _names(self):
        return MEASURES

    def _judge_feature(self, cases, j, rng, ask):
        """Return what the verdicts on a feature's marks are worth."""
        records, vocabulary = cases.records[j], cases.vocabulary
        right = [Window.of(r, vocabulary, right_marks(r.codes)) for r in records.random]
        n_wrong = int(np.ceil(np.mean([window.marked.sum() for window in right])))
        source = records.silent if self.negatives == "random" else records.random
        wrong = [
            Window.of(r, vocabulary, wrong_marks(r.codes, n_wrong, rng))
            for r in source[: self.n_negative]
            if (r.codes == 0).any()
        ]
        labels = np.arange(len(right) + len(wrong)) < len(right)
        said = ask([*right, *wrong], seed=int(rng.integers(2**32)))
        return judgment_measures(labels, said)


class IntruderScorer(JudgeScorer):
    """Score features by whether a judge finds the window that does not belong.

    No explanation is involved: the judge is shown a few windows in which the feature fires, the
    tokens marked, and among them one in which it does not, with as many random tokens marked. It
    is right where it gives that one the lowest verdict, ties being wrong.

    Parameters
    ----------
    judge : object or None, default=None
        With ``judge(None, windows)``: how well each window belongs to the others. None is
        ``EmbeddingJudge(part="marked")``, which compares the marked tokens by their spelling.
    n_trials : int, default=20
        Times that a judge is asked about each feature.
    n_shown : int, default=5
        Windows that it is shown, the intruder among them: chance is 1 / n_shown.
    negatives : {"random", "hard"}, default="random"
        Intruders drawn uniformly, or among the silent windows most like those of the feature.
    window : int, default=32
        Tokens in a window.
    sign, n_features, order, min_firings : object
        As in `InterpretabilityScorer`.
    random_state : int, default=0
        Of documents, features, windows and their order.

    References
    ----------
    Paulo, Mallen, Juang and Belrose (2024), "Automatically interpreting millions of features in
    large language models".

    Examples
    --------
    >>> from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
    >>> from skdict.interpretation import IntruderScorer
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:60])
    >>> sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0).fit(acts)
    >>> 0 <= IntruderScorer(n_features=8, window=8)(sae, acts) <= 1
    True
    """

    task = "intruder"
    metric = _default_metric = "accuracy"
    explainer = None
    explains = control = False

    def __init__(
        self,
        judge=None,
        *,
        n_trials=20,
        n_shown=5,
        negatives="random",
        window=32,
        sign="split",
        n_features=150,
        order="random",
        min_firings=10,
        random_state=0,
    ):
        self.judge = judge
        self.n_trials = n_trials
        self.n_shown = n_shown
        self.negatives = negatives
        self.window = window
        self.sign = sign
        self.n_features = n_features
        self.order = order
        self.min_firings = min_firings
        self.random_state = random_state

    # A trial shows all windows but one of the feature, drawn anew each time.
    n_positive = property(lambda self: POOL_PER_SHOWN * self.n_shown)
    n_negative = property(lambda self: self.n_trials)
    fewest = property(lambda self: self.n_shown - 1)

    def _names(self):
        return ("accuracy",)

    def _check(self):
        check_number("n_trials", self.n_trials, low=1, integer=True)
        super()._check()
        check_number("n_shown", self.n_shown, low=2, integer=True)

    def _default_judge(self, evidence, explanations, asked):
        """Return the judge where none is given: it compares spellings."""
        return EmbeddingJudge(part="marked")

    def _judge_feature(self, cases, j, rng, ask):
        """Return how often the judge finds the window that does not belong."""
        records, vocabulary = cases.records[j], cases.vocabulary
        active = [Window.of(r, vocabulary, right_marks(r.codes)) for r in records.random]
        n_wrong = int(np.ceil(np.mean([window.marked.sum() for window in active])))
        silent = self._negatives(records)
        right, n_failed = [], 0
        for trial in range(self.n_trials):
            record = silent[trial % len(silent)]
            intruder = Window.of(record, vocabulary, wrong_marks(record.codes, n_wrong, rng))
            chosen = rng.permutation(len(active))[: self.n_shown - 1]
            shown = [intruder, *(active[i] for i in chosen)]
            said = ask(shown, seed=int(rng.integers(2**32)))
            if np.isfinite(said).all():
                right.append(said[0] < said[1:].min())
            else:
                n_failed += 1
        return {"accuracy": defined_mean(right), "n_failed": n_failed}
