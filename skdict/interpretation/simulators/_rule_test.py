"""Test of explanations by the predictions of their rules, on all tokens or in windows."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict.inspection.evidence import TokenBlock, sampled_windows
from skdict.interpretation._scores import shuffled_order
from skdict.interpretation.explainers import LexiconExplainer
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.simulators._correlations import Correlations
from skdict.metrics import CorrelationSums


@dataclass(frozen=True)
class RuleTest:
    """Correlate codes with the predictions of rules, pooled over tokens.

    Parameters
    ----------
    sampling : {"full", "top_and_random", "top", "random"}
        Tokens to score on: all of them, or those of sampled windows.
    window : int
        Number of tokens in a window.
    seed : int
        Seed for sampling windows and shuffling explanations.
    """

    sampling: str
    window: int
    seed: int

    explains_all = True
    calibrates = False

    def lexicon(self, evidence, asked, material, explainer):
        """Return explanations by single tokens, from the same text as the tested ones."""
        return (explainer or LexiconExplainer()).explain(*material)

    def collect(self, evidence):
        """Return the test cases: all tokens, so that every feature can be tested."""
        return _Tokens(np.ones(len(evidence.features), dtype=bool))

    def run(self, cases, found, evidence):
        """Return the correlations between codes and predictions."""
        n_features = len(found.features)
        other = shuffled_order(n_features, self.seed)
        sides = [RulePredictor(found.explanations), RulePredictor(found.lexicon)]
        sums = [CorrelationSums(n_features) for _ in range(3)]
        for codes, tokens, where in self._tokens(evidence, n_features):
            predictions = [side.predict(tokens) for side in sides]
            predictions.append(scipy.sparse.csr_array(predictions[0][:, other]))
            for total, predicted in zip(sums, predictions, strict=True):
                total.update(predicted, codes, where)
        return Correlations(*(total.correlation() for total in sums), sums[0].varies())

    def _tokens(self, evidence, n_features):
        """Yield codes, tokens, and a mask of the tokens that count for each feature, or None."""
        blocks = evidence.blocks("test")
        if self.sampling == "full":
            yield from ((codes, TokenBlock.of(block), None) for codes, block in blocks)
        else:
            yield from sampled_windows(blocks, n_features, self.sampling, self.window, self.seed)


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Test cases that consist of all tokens: every feature can be tested."""

    testable: np.ndarray
