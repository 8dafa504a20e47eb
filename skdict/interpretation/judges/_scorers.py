"""Judge-based scorers: detection, fuzzing and intruder."""

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
# Size of the pool of firing windows that a trial samples from, per window shown.
POOL_PER_SHOWN = 5


class ExplanationScorer(JudgeScorer):
    """Base class of the scorers whose judge is given an explanation."""

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
    """Scorer that measures how well a judge detects firing windows from an explanation.

    Explanations are written as in `FeatureInterpreter`. On held-out documents, the judge is given
    an explanation and a few windows of plain text, and decides for each window whether the
    feature fires in it. The correct answer is yes if the feature fires on any token.

    The default judge is fitted on the second part of the documents, so explanations for it are
    written from the first part alone.

    Parameters
    ----------
    judge : object or None, default=None
        Judge with ``judge(explanation, windows)``. None means `SimulatorJudge`, which requires no
        language model but needs rule-based explanations.
    metric : str, default="auto"
        Measure returned by a call. "corpus_f1", "corpus_average_precision" and
        "corpus_correlation" reweight windows to their frequency in the corpus.
        "balanced_accuracy", "f1" and "auroc" use the windows as sampled, and therefore hardly
        penalise explanations that are too broad. "auto" means "corpus_f1" for random negatives
        and "auroc" for hard ones.
    negatives : {"random", "hard"}, default="random"
        Windows in which the feature does not fire: sampled uniformly, or those whose tokens are
        most similar to windows in which it fires. With hard negatives there are no `corpus`
        measures.
    n_positive, n_negative : int, default=50
        Maximum number of windows in which the feature fires, and in which it does not.
    window : int, default=32
        Number of tokens in a window.
    n_shown : int, default=5
        Number of windows shown to the judge at a time.
    sampling : {"random", "delphi"}, default="random"
        If "random", sample firing windows from held-out documents. If "delphi", sample windows
        as in `delphi`.
    control : bool, default=True
        If True, `measure` also runs the shuffled-explanation control and reports it as
        `shuffled`, which doubles the number of judge calls.
    explainer, sign, n_features, order, min_firings : object
        See `InterpretabilityScorer`.
    random_state : int, default=0
        Seed for the split and for sampling features and windows.

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
        """Return the measures of the verdicts on a feature's windows."""
        records, vocabulary = cases.records[j], cases.vocabulary
        silent = self._negatives(records)
        windows = [Window.of(r, vocabulary) for r in [*records.random, *silent]]
        labels = np.arange(len(windows)) < len(records.random)
        said = ask(windows, seed=int(rng.integers(2**32)))
        prevalence = cases.prevalence[j] if self.negatives == "random" else None
        return judgment_measures(labels, said, prevalence=prevalence)


class FuzzingScorer(ExplanationScorer):
    """Scorer that measures how well a judge tells correct marks from wrong ones.

    Works like `DetectionScorer`, but on windows with marked tokens. In positive windows, all
    tokens whose code is at least 0.3 of the largest code in the window are marked. In negative
    windows, random tokens on which the feature does not fire are marked, as many as are marked in
    a positive window on average. The judge decides whether the marked tokens fit the explanation.

    Parameters
    ----------
    judge : object or None, default=None
        Judge with ``judge(explanation, windows)``. None means `SimulatorJudge`.
    metric : {"auto", "balanced_accuracy", "f1", "auroc"}, default="auto"
        Measure returned by a call. "auto" means "balanced_accuracy". No choice detects that the
        explanation of a rare feature is too broad, because randomly marked tokens are rarely
        among those that it wrongly includes.
    negatives : {"random", "hard"}, default="random"
        Windows with wrong marks: windows in which the feature does not fire, or windows in which
        it does, with other tokens marked.
    n_positive, n_negative : int, default=50
        Maximum number of windows with correct marks, and with wrong ones.
    window : int, default=32
        Number of tokens in a window.
    n_shown : int, default=5
        Number of windows shown to the judge at a time.
    sampling : {"random", "delphi"}, default="random"
        If "random", sample firing windows from held-out documents. If "delphi", sample windows
        as in `delphi`.
    control : bool, default=True
        If True, `measure` also runs the shuffled-explanation control and reports it as
        `shuffled`, which doubles the number of judge calls.
    explainer, sign, n_features, order, min_firings : object
        See `InterpretabilityScorer`.
    random_state : int, default=0
        Seed for the split and for sampling features, windows and wrong marks.

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
        """Return the measures of the verdicts on a feature's marked windows."""
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
    """Scorer that measures how often a judge finds the window that does not belong.

    No explanation is involved. The judge is shown a few windows in which the feature fires, with
    the firing tokens marked, and one intruder in which it does not fire, with as many random
    tokens marked. The judge is right if the intruder gets the lowest verdict; ties count as wrong.

    Parameters
    ----------
    judge : object or None, default=None
        Judge whose ``judge(None, windows)`` returns how well each window fits the others. None
        means ``EmbeddingJudge(part="marked")``, which compares the spelling of marked tokens.
    n_trials : int, default=20
        Number of trials for each feature.
    n_shown : int, default=5
        Number of windows shown in a trial, including the intruder. The chance level is
        1 / n_shown.
    negatives : {"random", "hard"}, default="random"
        Intruders: sampled uniformly among windows in which the feature does not fire, or those
        whose tokens are most similar to windows in which it fires.
    window : int, default=32
        Number of tokens in a window.
    sign, n_features, order, min_firings : object
        See `InterpretabilityScorer`.
    random_state : int, default=0
        Seed for the split and for sampling features and windows and their order.

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

    # Each trial samples n_shown - 1 firing windows from a pool of n_positive.
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
        """Return the default judge, which compares spelling."""
        return EmbeddingJudge(part="marked")

    def _judge_feature(self, cases, j, rng, ask):
        """Return how often the judge finds the intruder."""
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
