"""One study: split documents, explain features, choose explanations, and test them."""

from dataclasses import dataclass, replace

import numpy as np

from skdict._validation import check_choice, check_number, check_random_state
from skdict.inspection.evidence import TokenBlock
from skdict.interpretation._attempts import Attempts, Failure
from skdict.interpretation._scores import decide_status, n_dead_components
from skdict.interpretation.explainers import ContextExplainer, LexiconExplainer, NGramExplainer
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.strategies import check_strategy, writes_free_words
from skdict.metrics import CorrelationSums


@dataclass(eq=False)
class Findings:
    """What a study found about some features.

    Parameters
    ----------
    features : ndarray of int
        The features.
    firing_counts : ndarray of int, shape (n_all_features,)
        Tokens to explain from on which each feature of the dictionary fires.
    n_dead : int
        Components of the dictionary that never fire there.
    explanations : list of Explanation or None
        One for each feature; None where there is none.
    lexicon : list of Explanation or None
        Explanations by tokens alone, where the test compares with them.
    attempts : Attempts
        What went wrong, by place in `features`.
    status : ndarray of str
        What became of each feature.
    results : object
        What the test gives.
    """

    features: np.ndarray
    firing_counts: np.ndarray
    n_dead: int
    explanations: list
    lexicon: list
    attempts: Attempts
    status: np.ndarray = None
    results: object = None

    @property
    def n_firings(self):
        """Tokens to explain from on which each of the features fires."""
        return self.firing_counts[self.features]


class Study:
    """Explain features on some documents, and test the explanations on others.

    Parameters
    ----------
    split : callable
        From columns and activations to what is explained from and tested on, such as
        ``DocumentParts.split``.
    explainers : list of explainer
        Of several, the best is chosen for each feature; none where nothing is explained.
    test : object
        Tests explanations: ``collect(evidence)`` gives its cases, whose `testable` says of which
        features there are any, and ``run(cases, findings, evidence)`` gives the results, whose
        `score` has one number for each feature and `enough` says where it means something.
        `explains_all` says whether features are explained that cannot be tested.
    min_firings : int
        Tokens to explain from that a feature must fire on.
    """

    def __init__(self, split, explainers, test, *, min_firings):
        self.split, self.explainers, self.test = split, explainers, test
        self.min_firings = min_firings

    def run(self, columns, activations):
        """Return what is found about the features drawn."""
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
        asked = np.flatnonzero((found.n_firings >= self.min_firings) & cases.testable)
        if self.test.explains_all:
            asked = np.arange(len(found.features))
        if self.explainers and len(asked):
            self._explain(evidence, found, asked, activations.vocabulary)
        return self._tested(cases, found, evidence)

    def test_again(self, evidence, found):
        """Return what other documents say of the explanations found before."""
        explaining = Attempts()
        for j, failure in found.attempts.first().items():
            if failure.stage == "explain":
                explaining.add(j, failure)
        return self._tested(
            self.test.collect(evidence), replace(found, attempts=explaining), evidence
        )

    def _tested(self, cases, found, evidence):
        found.results = self.test.run(cases, found, evidence)
        enough = (found.n_firings >= self.min_firings) & cases.testable & found.results.enough
        failures = found.attempts.first()
        found.status = decide_status(found.results.score, found.n_firings, enough, failures)
        return found

    def _explain(self, evidence, found, asked, vocabulary):
        """Write explanations of the features asked about, numbered as in the dictionary."""
        material = evidence.codes()
        if material is not None:
            codes, tokens = material
            material = codes if len(asked) == codes.shape[1] else codes[:, asked], tokens
        if writes_free_words(self.explainers[0]):
            candidates = [self._in_words(evidence, found, asked, material, vocabulary)]
        else:
            candidates = [explainer.explain(*material) for explainer in self.explainers]
        made = candidates[0]
        if len(candidates) > 1:
            made = _best(candidates, evidence.blocks("select", asked))
        by_tokens = dict(zip(map(type, self.explainers), candidates, strict=True))
        lexicon = self.test.lexicon(evidence, asked, material, by_tokens.get(LexiconExplainer))
        for j, explanation, own in zip(asked, made, lexicon, strict=True):
            self._keep(found, j, explanation)
            found.lexicon[j] = own

    def _in_words(self, evidence, found, asked, material, vocabulary):
        """Let each feature be explained by itself, from windows."""
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
        """Keep an explanation under the feature's number in the dictionary."""
        if explanation is not None:
            found.explanations[j] = replace(explanation, feature=int(found.features[j]))
        elif j not in found.attempts.failures:
            found.attempts.add(j, Failure("explain", "the explainer gave no explanation"))


def explainers_of(explainer):
    """Return the explainers given as a list, checked, or the three that need no language model."""
    if explainer is None:
        return [LexiconExplainer(), NGramExplainer(), ContextExplainer()]
    explainers = list(explainer) if isinstance(explainer, (list, tuple)) else [explainer]
    for one in explainers or [explainer]:
        check_strategy("explainer", one)
    return explainers


def check_features(params):
    """Check the parameters that say which features are drawn, and how they are tested."""
    check_choice("sign", params.sign, ("split", "positive"))
    check_choice("order", params.order, ("random", "index"))
    if params.n_features is not None:
        check_number("n_features", params.n_features, low=1, integer=True)
    for name in ("min_firings", "window"):
        check_number(name, getattr(params, name), low=1, integer=True)


def draw_seed(random_state):
    """Return the seed of all that a study draws."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _best(candidates, blocks):
    """Return for each feature the candidate of the largest correlation on some documents."""
    predictors = [RulePredictor(explanations) for explanations in candidates]
    sums = [CorrelationSums(len(candidates[0])) for _ in candidates]
    for codes, block in blocks:
        tokens = TokenBlock.of(block)
        for predictor, total in zip(predictors, sums, strict=True):
            total.update(predictor.predict(tokens), codes)
    found = np.array([total.correlation() for total in sums])
    # Of equally good ones, or where none is defined, the first: the simplest. Rounded, so that
    # the last bits of a sum do not choose.
    best = np.where(np.isnan(found), -np.inf, np.round(found, 6)).argmax(axis=0)
    return [candidates[i][j] for j, i in enumerate(best)]
