"""Explain in free words, let a simulator predict from them, and score its predictions."""

import warnings
from dataclasses import replace

import numpy as np
import scipy.sparse
from sklearn.base import clone

from skdict._llm import Failure, check_vocabulary
from skdict.inspection import TokenBlock, split_documents
from skdict.inspection.evidence import cunningham_evidence, windows_of
from skdict.interpretation._engine import Engine, Interpretation, gather, n_dead_components
from skdict.interpretation._scores import Scores, shuffled_order
from skdict.interpretation.explainers._explanation import Explanation, Simulator
from skdict.interpretation.explainers._lexicon import LexiconExplainer
from skdict.interpretation.simulators._simulation import Simulation, correlation

PAPER = "cunningham2023"


class SimulatedEngine(Engine):
    """The steps of an interpretation that a simulator takes part in.

    Parameters
    ----------
    explainer, simulator : object
        As in `FeatureInterpreter`.
    **options : dict
        As in `Engine`.
    """

    def __init__(self, explainer, simulator, **options):
        super().__init__(explainer, **options)
        self.simulator = simulator

    def interpret(self, columns, activations):
        """Return explanations, and their scores on windows kept apart."""
        check_vocabulary(activations.vocabulary)
        paper = self.sampling == PAPER
        parts = {} if paper else split_documents(activations, seed=self.seed)
        counts = columns.firing_counts(activations, parts.get("explain"))
        features = self.draw(counts, columns)
        enough = counts[features] >= self.min_firings
        explain = self._from_fragments if paper else self._from_parts
        made, lexicon, calibrate, test = explain(columns, activations, parts, features, enough)
        said = [None if isinstance(e, Failure) else e for e in made]
        found = Interpretation(features, counts, said, lexicon)
        found.failures = _by_feature(features, made)
        found.simulator = self.simulator
        if hasattr(self.simulator, "fit"):
            simulator = clone(self.simulator, safe=False)
            found.simulator = simulator.fit(said, calibrate, activations.vocabulary)
        self._evaluate(found, columns, test, activations.vocabulary)
        self._warn_if_stopped(found)
        return found

    def evaluate(self, columns, activations, found, documents=None):
        """Return the scores of an interpretation on windows of documents; None for all."""
        blocks = columns.blocks(activations, documents, found.features)
        if self.sampling == PAPER:
            test = [e.test for e in cunningham_evidence(blocks, len(found.features), self.seed)]
        else:
            test = self._windows(blocks, found.features)
        failures = {f: e for f, e in found.failures.items() if e.stage == "explain"}
        other = replace(found, failures=failures)
        self._evaluate(other, columns, test, activations.vocabulary)
        self._warn_if_stopped(other)
        return other.scores

    def _windows(self, blocks, features):
        return windows_of(blocks, len(features), self.sampling, self.window, self.seed)

    def _from_parts(self, columns, activations, parts, features, enough):
        """Explain from one part of the documents; windows of the others calibrate and test."""
        calibrate, test = (
            self._windows(columns.blocks(activations, parts[name], features), features)
            for name in ("select", "test")
        )
        codes, tokens = gather(columns, activations, parts["explain"], features)
        asked = np.flatnonzero(enough & [bool(own) for own in test])
        made = self._explained(lambda e: e.explain(codes[:, asked], tokens), asked, features)
        return made, LexiconExplainer().explain(codes, tokens), calibrate, test

    def _from_fragments(self, columns, activations, parts, features, enough):
        """Explain, calibrate and test as Cunningham et al. dealt out fragments."""
        blocks = columns.blocks(activations, None, features)
        evidence = cunningham_evidence(blocks, len(features), self.seed)
        asked = [j for j, own in enumerate(evidence) if own.test and enough[j]]
        shown, vocabulary = [evidence[j].explain for j in asked], activations.vocabulary
        made = self._explained(lambda e: e.explain_records(shown, vocabulary), asked, features)
        lexicon = [_lexicon_of(own.explain, vocabulary) for own in evidence]
        return made, lexicon, [e.calibrate for e in evidence], [e.test for e in evidence]

    def _explained(self, explain, asked, features):
        """Return what the explainer gives for the features asked about, None for the others."""
        made = [None] * len(features)
        if len(asked):
            for j, one in zip(asked, explain(self.explainers[0]), strict=True):
                made[j] = replace(one, feature=j) if isinstance(one, Explanation) else one
        return made

    def _evaluate(self, found, columns, test, vocabulary):
        """Simulate the windows, and put scores, simulations and failures where they belong."""
        said = [e if own else None for e, own in zip(found.explanations, test, strict=True)]
        predicted = found.simulator.simulate(said, test, vocabulary)
        answered = [p if e else None for e, p in zip(said, predicted, strict=True)]
        found.failures |= _by_feature(found.features, answered)
        found.simulations = {
            int(feature): Simulation(own, windows)
            for feature, own, windows in zip(found.features, test, answered, strict=True)
            if isinstance(windows, list)
        }
        scores = np.full((3, len(said)), np.nan)
        for j, windows in enumerate(answered):
            if isinstance(windows, list):
                scores[0, j] = _correlation(test[j], windows)
                scores[1, j] = _correlation(test[j], _rules(found.lexicon[j], test[j]))
        scores[2] = self._shuffled(found.simulator, said, test, vocabulary)
        status = self._simulated_status(found, scores[0], test)
        scores[0, status != "scored"] = np.nan
        found.scores = Scores(
            found.features,
            status,
            *scores,
            n_dead=n_dead_components(found.firing_counts, columns.n_components),
            nan_policy=self.nan_policy,
            seed=self.seed,
        )

    def _shuffled(self, simulator, said, test, vocabulary):
        """Return the correlations of explanations exchanged between features."""
        found = np.full(len(said), np.nan)
        living = [j for j, explanation in enumerate(said) if explanation is not None]
        if not getattr(simulator, "control", True) or len(living) < 2:
            return found
        order = shuffled_order(len(living), self.seed)
        other = {j: living[i] for j, i in zip(living, order, strict=True)}
        swapped = [said[other[j]] if j in other else None for j in range(len(said))]
        for j, windows in enumerate(simulator.simulate(swapped, test, vocabulary)):
            if isinstance(windows, list) and j in other:
                found[j] = _correlation(test[j], windows)
        return found

    def _simulated_status(self, found, score, test):
        n_firings = found.firing_counts[found.features]
        status = np.full(len(score), "scored", dtype="<U12")
        status[np.isnan(score)] = "undefined"
        for j, feature in enumerate(found.features):
            failure = found.failures.get(int(feature))
            if failure or found.explanations[j] is None:
                status[j] = "stopped" if failure and failure.stopped else "failed"
        status[(n_firings < self.min_firings) | [not own for own in test]] = "insufficient"
        status[n_firings == 0] = "dead"
        return status

    def _warn_if_stopped(self, found):
        n_stopped = int((found.scores.status == "stopped").sum())
        if n_stopped:
            warnings.warn(
                f"the budget was spent before {n_stopped} of {len(found.features)} features were "
                f"done; allow more and fit again, with the same cache_dir nothing is paid twice",
                stacklevel=4,
            )


def _by_feature(features, things):
    """Return the failures among some things, by the number of the feature."""
    pairs = zip(features, things, strict=True)
    return {int(feature): thing for feature, thing in pairs if isinstance(thing, Failure)}


def _correlation(records, predictions):
    """Return the correlation over the tokens of all windows together."""
    codes = np.concatenate([record.codes for record in records])
    return correlation(codes, np.concatenate(predictions))


def _rules(explanation, records):
    """Return what the rules of an explanation predict in each window."""
    return [
        Simulator([explanation]).simulate(_tokens([record], None)).toarray()[:, 0]
        for record in records
    ]


def _tokens(records, vocabulary):
    """Return windows as tokens, each a document of its own."""
    sizes = [len(record.token_ids) for record in records]
    positions = [record.position + np.arange(len(record.token_ids)) for record in records]
    ids = [record.token_ids for record in records]
    numbers = np.repeat(np.arange(len(records)), sizes)
    return TokenBlock(numbers, np.concatenate(positions), np.concatenate(ids), vocabulary)


def _lexicon_of(records, vocabulary):
    """Return the tokens that the windows shown to the explainer would name, as rules."""
    if not records:
        return None
    codes = np.concatenate([record.codes for record in records])[:, None]
    tokens = _tokens(records, vocabulary)
    return LexiconExplainer().explain(scipy.sparse.csc_array(codes), tokens)[0]
