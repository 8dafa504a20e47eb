"""Procedure of a study: split documents, write, select and test explanations."""

from dataclasses import dataclass, replace

import numpy as np

from skdict._validation import check_choice, check_number, check_random_state
from skdict._validation import check_features as check_listed
from skdict.interpretation._attempts import Attempts, Failure
from skdict.interpretation._scores import decide_status, n_dead_components
from skdict.interpretation.explainers import ContextExplainer, LexiconExplainer, NGramExplainer
from skdict.interpretation.explainers._selection import best_explainers, columns_of, write
from skdict.interpretation.strategies import check_strategy, writes_free_text


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
        `score` has one number per feature and their `enough` marks the meaningful ones.
        ``lexicon(evidence, asked, material, explainer)`` returns explanations by single tokens to
        compare with. If `explains_all` is True, features that cannot be tested are explained as
        well. If `calibrates` is True, the test fits something on the "select" documents, so
        rules are written from the "explain" documents alone.
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
        if writes_free_text(self.explainers[0]):
            material = self._material(evidence, asked, "explain")
            made = self._in_free_text(evidence, found, asked, material, vocabulary)
        else:
            made, material = self._by_rules(evidence, asked)
        by_tokens = next((e for e in self.explainers if isinstance(e, LexiconExplainer)), None)
        lexicon = self.test.lexicon(evidence, asked, material, by_tokens)
        for j, explanation, own in zip(asked, made, lexicon, strict=True):
            self._keep(found, j, explanation)
            found.lexicon[j] = own

    def _by_rules(self, evidence, asked):
        """Write rules by the best explainer of each feature; return them and their text."""
        winners = np.zeros(len(asked), dtype=np.int64)
        if len(self.explainers) > 1:
            material = self._material(evidence, asked, "explain")
            candidates = [explainer.explain(*material) for explainer in self.explainers]
            winners = best_explainers(candidates, evidence.coded("select"), asked)
            if self.test.calibrates:
                return [candidates[i][j] for j, i in enumerate(winners)], material
        # The choice is made, so the documents it was made on can serve to write as well, unless
        # the test calibrates on them.
        parts = ("explain",) if self.test.calibrates else ("explain", "select")
        material = self._material(evidence, asked, *parts)
        return write(self.explainers, winners, *material), material

    def _material(self, evidence, asked, *parts):
        """Return codes and tokens of some parts; None if there are only windows."""
        material = evidence.codes(*parts)
        if material is None:
            return None
        codes, tokens = material
        return columns_of(codes, asked), tokens

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
