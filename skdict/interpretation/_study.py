"""Procedure of a study: split documents, explain features, select and test explanations."""

from dataclasses import dataclass, replace

import numpy as np

from skdict._validation import check_choice, check_number, check_random_state
from skdict._validation import check_features as check_listed
from skdict.inspection.evidence import TokenBlock
from skdict.interpretation._attempts import Attempts, Failure
from skdict.interpretation._scores import decide_status, n_dead_components
from skdict.interpretation.explainers import ContextExplainer, LexiconExplainer, NGramExplainer
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.strategies import check_strategy, writes_free_text
from skdict.metrics import CorrelationSums


@dataclass(eq=False)
class Findings:
    """Results of a study.

    Parameters
    ----------
    features : ndarray of int
        Features studied.
    firing_counts : ndarray of int, shape (n_all_features,)
        Number of tokens in the explanation part on which each feature of the dictionary fires.
    n_dead : int
        Number of components of the dictionary that never fire in the explanation part.
    explanations : list of Explanation or None
        Explanation of each feature; None if there is none.
    lexicon : list of Explanation or None
        Explanation of each feature by single tokens, if the test compares with them.
    attempts : Attempts
        Failures, by index in `features`.
    asked : ndarray of int
        Positions in `features` of those to explain or to judge.
    status : ndarray of str
        Status of each feature.
    results : object
        Results of the test.
    """

    features: np.ndarray
    firing_counts: np.ndarray
    n_dead: int
    explanations: list
    lexicon: list
    attempts: Attempts
    asked: np.ndarray = None
    status: np.ndarray = None
    results: object = None

    @property
    def n_firings(self):
        """Number of tokens in the explanation part on which each studied feature fires."""
        return self.firing_counts[self.features]


class Study:
    """Explain features on some documents and test the explanations on others.

    Parameters
    ----------
    split : callable
        Function from feature columns and activations to the parts used to explain and to test,
        such as ``DocumentParts.split``.
    explainers : list of explainer
        Explainers, from which the best is selected for each feature. If empty, no feature is
        explained.
    test : object
        Test of the explanations. ``collect(evidence)`` returns its cases; their `testable` marks
        the features that have any. ``run(cases, findings, evidence)`` returns the results; their
        `score` has one number per feature and their `enough` marks the meaningful ones. If
        `explains_all` is True, features that cannot be tested are explained as well.
    min_firings : int
        Minimum number of tokens in the explanation part on which a feature must fire.
    """

    def __init__(self, split, explainers, test, *, min_firings):
        self.split, self.explainers, self.test = split, explainers, test
        self.min_firings = min_firings

    def run(self, columns, activations):
        """Run the study and return its findings."""
        evidence = self.split(columns, activations)
        found = Findings(
            evidence.features,
            evidence.counts,
            n_dead_components(evidence.counts, columns.n_components),
            [None] * len(evidence.features),
            [None] * len(evidence.features),
            Attempts(),
        )
        cases = self.test.collect(evidence)
        found.asked = np.flatnonzero(self._enough(cases, found) | self.test.explains_all)
        if self.explainers and len(found.asked):
            self._explain(evidence, found, found.asked, activations.vocabulary)
        return self._tested(cases, found, evidence)

    def test_again(self, evidence, found):
        """Test the explanations of earlier findings on other documents."""
        explaining = Attempts()
        for j, failure in found.attempts.first().items():
            if failure.stage == "explain":
                explaining.add(j, failure)
        return self._tested(
            self.test.collect(evidence), replace(found, attempts=explaining), evidence
        )

    def _enough(self, cases, found):
        """Return a mask of the features with enough to explain from and to test on."""
        return (found.n_firings >= self.min_firings) & cases.testable

    def _tested(self, cases, found, evidence):
        found.results = self.test.run(cases, found, evidence)
        enough = self._enough(cases, found) & found.results.enough
        failures = found.attempts.first()
        found.status = decide_status(found.results.score, found.n_firings, enough, failures)
        return found

    def _explain(self, evidence, found, asked, vocabulary):
        """Explain the features at positions `asked`, and store the explanations in `found`."""
        material = evidence.codes()
        if material is not None:
            codes, tokens = material
            material = codes if len(asked) == codes.shape[1] else codes[:, asked], tokens
        if writes_free_text(self.explainers[0]):
            candidates = [self._in_free_text(evidence, found, asked, material, vocabulary)]
        else:
            candidates = [explainer.explain(*material) for explainer in self.explainers]
        made = candidates[0]
        if len(candidates) > 1:
            made = _best(candidates, evidence.blocks("select", asked))
        pairs = zip(self.explainers, candidates, strict=True)
        by_tokens = next((own for e, own in pairs if isinstance(e, LexiconExplainer)), None)
        lexicon = self.test.lexicon(evidence, asked, material, by_tokens)
        for j, explanation, own in zip(asked, made, lexicon, strict=True):
            self._keep(found, j, explanation)
            found.lexicon[j] = own

    def _in_free_text(self, evidence, found, asked, material, vocabulary):
        """Explain each feature separately from windows of text."""
        writer = self.explainers[0]
        if material is None:
            windows = evidence.windows("explain")
            windows = [windows[j] for j in asked]
        else:
            windows = writer.records_of(*material)
        return found.attempts.each(
            "explain",
            writer,
            lambda records: writer.explain_records(records, vocabulary),
            list(zip(asked, windows, strict=True)),
        )

    def _keep(self, found, j, explanation):
        """Store an explanation with the feature's index in the dictionary."""
        if explanation is not None:
            found.explanations[j] = replace(explanation, feature=int(found.features[j]))
        elif j not in found.attempts.failures:
            found.attempts.add(j, Failure("explain", "the explainer returned no explanation"))


def explainers_of(explainer):
    """Return the given explainers as a checked list; None means the three rule-based ones."""
    if explainer is None:
        return [LexiconExplainer(), NGramExplainer(), ContextExplainer()]
    explainers = list(explainer) if isinstance(explainer, (list, tuple)) else [explainer]
    for one in explainers or [explainer]:
        check_strategy("explainer", one)
    return explainers


def check_features(params, features=None):
    """Check the parameters for sampling features and windows, and the list of features if given."""
    check_choice("sign", params.sign, ("split", "positive"))
    check_choice("order", params.order, ("random", "index"))
    if params.n_features is not None:
        hint = "to name the features, pass features=[...]" if hasattr(params, "features") else ""
        check_number("n_features", params.n_features, low=1, integer=True, hint=hint)
    if features is not None and not check_listed(features, None):
        raise ValueError("features is empty; pass at least one feature, or None")
    for name in ("min_firings", "window"):
        check_number(name, getattr(params, name), low=1, integer=True)


def draw_seed(random_state):
    """Draw the seed for everything that a study samples."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _best(candidates, blocks):
    """Return, for each feature, the candidate with the largest correlation on some documents."""
    predictors = [RulePredictor(explanations) for explanations in candidates]
    sums = [CorrelationSums(len(candidates[0])) for _ in candidates]
    for codes, block in blocks:
        tokens = TokenBlock.of(block)
        for predictor, total in zip(predictors, sums, strict=True):
            total.update(predictor.predict(tokens), codes)
    found = np.array([total.correlation() for total in sums])
    # Ties, and features without a defined correlation, get the first candidate, which is the
    # simplest. Rounding keeps the last bits of a sum from deciding.
    best = np.where(np.isnan(found), -np.inf, np.round(found, 6)).argmax(axis=0)
    return [candidates[i][j] for j, i in enumerate(best)]
