"""Predictions of rule-based explanations."""

import numpy as np
import scipy.sparse

from skdict.interpretation.explainers._terms import TermMatrix


class RulePredictor:
    """Predict the codes of many features at once from their explanations.

    Parameters
    ----------
    explanations : sequence of Explanation or None
        Explanation of each column of the predictions; None if there is none.
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

    def predict(self, tokens):
        """Predict the codes of all features, up to a constant and a scale for each.

        Parameters
        ----------
        tokens : TokenBlock
            Tokens of whole documents.

        Returns
        -------
        csr_array of shape (n_tokens, n_explanations)
            Predicted codes.
        """
        return self._matrix.transform(tokens) @ self._weights
