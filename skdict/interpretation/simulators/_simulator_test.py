"""Test of explanations by the predictions of a simulator in windows."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse

from skdict.inspection.evidence import TokenBlock, windows_of
from skdict.interpretation._attempts import Attempts, Failure
from skdict.interpretation._scores import shuffled_order
from skdict.interpretation.explainers import LexiconExplainer
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.simulators._calibration import calibration_map
from skdict.interpretation.simulators._correlations import Correlations
from skdict.interpretation.simulators._simulation import Simulation
from skdict.metrics import pearson


@dataclass(frozen=True, eq=False)
class WindowCases:
    """Windows of each feature to calibrate and to test on; empty if there are too few.

    Parameters
    ----------
    calibrate, test : list of (list of Record)
        Windows of each feature.
    vocabulary : sequence of str
        Readable text of each token.
    """

    calibrate: list
    test: list
    vocabulary: object

    @property
    def testable(self):
        """Features that have windows to test on, as a boolean mask."""
        return np.array([bool(own) for own in self.test], dtype=bool)


class SimulatorTest:
    """Correlate codes with the predictions of a simulator, pooled over the tokens of windows.

    Parameters
    ----------
    simulator : simulator
        Simulator with ``simulate(explanation, records, vocabulary)``.
    sampling : {"top_and_random", "top", "random", "cunningham2023"}
        Kind of windows to score on.
    window : int
        Number of tokens in a window.
    seed : int
        Seed for sampling windows and shuffling explanations.
    """

    explains_all = False

    def __init__(self, simulator, sampling, window, seed):
        self.simulator, self.seed = simulator, seed
        self._calibration = getattr(simulator, "calibration", None)
        self._sample = partial(windows_of, sampling=sampling, window=window, seed=seed)

    @property
    def calibrates(self):
        """True if predictions are calibrated on the documents to select on."""
        return self._calibration is not None

    def lexicon(self, evidence, asked, material, explainer):
        """Return explanations by single tokens, from the same text as the simulated ones."""
        if material is not None:
            return LexiconExplainer().explain(*material)
        windows = evidence.windows("explain")
        return [_lexicon_of(windows[j]) for j in asked]

    def collect(self, evidence):
        """Return windows to test on, and windows to calibrate on if the simulator needs them."""
        test, calibrate = evidence.windows("test", self._sample), []
        if self.calibrates and evidence.calibrates:
            calibrate = evidence.windows("select", self._sample)
        return WindowCases(calibrate, test, evidence.vocabulary)

    def run(self, cases, found, evidence):
        """Return the correlations and the simulations that they were computed from."""
        said = {
            j: explanation
            for j, explanation in enumerate(found.explanations)
            if explanation is not None and cases.test[j]
        }
        maps = found.results.maps if found.results else self._maps(cases, said, found.attempts)
        failed = found.attempts.failures
        said = {j: explanation for j, explanation in said.items() if j not in failed}
        predicted = self._predict(said, cases.test, cases.vocabulary, found.attempts, maps)
        scores = np.full((3, len(found.features)), np.nan)
        for j, windows in predicted.items():
            scores[0, j] = _correlation(cases.test[j], windows)
            scores[1, j] = _correlation(cases.test[j], _by_rules(found.lexicon[j], cases.test[j]))
        scores[2] = self._shuffled(said, cases, maps, len(found.features))
        simulations = {j: Simulation(cases.test[j], own) for j, own in predicted.items()}
        return Correlations(*scores, cases.testable, simulations, maps)

    def _predict(self, said, records, vocabulary, attempts, maps):
        """Return the predictions in the windows of each feature that did not fail."""
        done = attempts.each(
            "simulate",
            self.simulator,
            lambda task: self.simulator.simulate(*task, vocabulary),
            [(j, (explanation, records[j])) for j, explanation in said.items()],
        )
        return {
            j: [maps[j](own) for own in windows] if j in maps else windows
            for j, windows in zip(said, done, strict=True)
            if windows is not None
        }

    def _maps(self, cases, said, attempts):
        """Return the calibration map of each feature; none if there is no calibration."""
        if not self.calibrates:
            return {}
        for j in said:
            if not cases.calibrate[j]:
                attempts.add(j, Failure("simulate", "there are no windows to calibrate on"))
        said = {j: explanation for j, explanation in said.items() if cases.calibrate[j]}
        predicted = self._predict(said, cases.calibrate, cases.vocabulary, attempts, {})
        return {
            j: calibration_map(self._calibration, np.concatenate(own), _codes(cases.calibrate[j]))
            for j, own in predicted.items()
        }

    def _shuffled(self, said, cases, maps, n_features):
        """Return the correlations of the shuffled-explanation control."""
        found, living = np.full(n_features, np.nan), list(said)
        if not getattr(self.simulator, "control", True) or len(living) < 2:
            return found
        order = shuffled_order(len(living), self.seed)
        swapped = {j: said[living[i]] for j, i in zip(living, order, strict=True)}
        predicted = self._predict(swapped, cases.test, cases.vocabulary, Attempts(), maps)
        for j, windows in predicted.items():
            found[j] = _correlation(cases.test[j], windows)
        return found


def _codes(records):
    return np.concatenate([record.codes for record in records])


def _correlation(records, predictions):
    """Return the correlation over the tokens of all windows together."""
    return pearson(_codes(records), np.concatenate(predictions))


def _by_rules(explanation, records):
    """Return the predictions of an explanation's rules in each window."""
    predictor = RulePredictor([explanation])
    return [predictor.predict(TokenBlock.of_windows([r])).toarray()[:, 0] for r in records]


def _lexicon_of(records):
    """Return the explanation by single tokens for the windows shown to the explainer."""
    codes = scipy.sparse.csc_array(_codes(records)[:, None])
    return LexiconExplainer().explain(codes, TokenBlock.of_windows(records))[0]
