"""An explanation: a sentence, and the few weighted terms that it stands for."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._text import printable
from skdict.inspection.evidence import TokenBlock, document_order
from skdict.interpretation.explainers._terms import TermMatrix


@dataclass(frozen=True)
class Explanation:
    """What a feature fires on, in a sentence and as a rule that can be checked.

    Parameters
    ----------
    feature : int
        Column of the codes that were explained.
    method : str
        The kind of explanation, such as "lexicon".
    n_rules : int
        Rules in it.
    budget : int
        Most rules allowed; 0 for free words, which only a simulator can predict from.
    text : str
        What it fires on, as a sentence.
    terms : tuple of (Term, float)
        The prediction is the weighted sum of these terms, and a constant.
    """

    feature: int
    method: str
    n_rules: int
    budget: int
    text: str
    terms: tuple

    def __str__(self):
        # A text that rules quote may hold escape sequences, which must not reach a terminal.
        text = printable(self.text)
        if not self.budget:
            return f"{text} [{self.method}]"
        return f"{text} [{self.method}, {self.n_rules} of {self.budget} rules]"

    def simulate(self, activations):
        """Predict the feature's codes from the tokens alone, up to a constant and a scale.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            Whole documents, rows in any order; only their tokens are used.

        Returns
        -------
        ndarray of shape (n_tokens,)
            Predictions; what counts is their correlation with the codes.

        Raises
        ------
        ValueError
            If the explanation is in free words, which stand for no rules, or a row is repeated.
        """
        if not self.budget:
            raise ValueError(
                f"{self.text!r} are free words, which stand for no rules; let "
                f"LLMSimulator(client) predict from them"
            )
        tokens, order = TokenBlock.of(activations), document_order(activations)
        if order is None:
            return Simulator([self]).simulate(tokens).toarray()[:, 0]
        predicted = np.empty(len(tokens), dtype=np.float32)
        predicted[order] = Simulator([self]).simulate(tokens[order]).toarray()[:, 0]
        return predicted


class Simulator:
    """Predict the codes of many features at once from their explanations.

    Parameters
    ----------
    explanations : sequence of Explanation or None
        One for each column of the predictions; None where explaining failed.
    """

    def __init__(self, explanations):
        columns = {}
        at, feature, weight = [], [], []
        for j, explanation in enumerate(explanations):
            for term, value in explanation.terms if explanation else ():
                at.append(columns.setdefault(term, len(columns)))
                feature.append(j)
                weight.append(value)
        self._matrix = TermMatrix(columns)
        self._weights = scipy.sparse.csr_array(
            (np.array(weight, dtype=np.float32), (at, feature)),
            shape=(len(columns), len(explanations)),
        )

    def simulate(self, tokens):
        """Predict the codes of all features, each up to a constant and a scale.

        Parameters
        ----------
        tokens : TokenBlock
            Whole documents.

        Returns
        -------
        csr_array of shape (n_tokens, n_explanations)
            Predictions.
        """
        return self._matrix.transform(tokens) @ self._weights


def piece(vocabulary, token_id):
    """Return how a token reads in a sentence."""
    if vocabulary is None:
        return f"<{token_id}>"
    text = vocabulary[token_id].encode("utf-8", errors="surrogateescape")
    quoted = text.decode("utf-8", errors="replace").replace("\n", "\\n")
    return f'"{quoted}"'
