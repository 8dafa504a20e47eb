"""Explanation of a feature: a sentence and the weighted terms behind it."""

from dataclasses import dataclass

import numpy as np

from skdict._text import printable, readable
from skdict.inspection.evidence import TokenBlock, document_order
from skdict.interpretation.explainers._rules import RulePredictor


@dataclass(frozen=True)
class Explanation:
    """Explanation of a feature as a sentence and, for rule-based explainers, as weighted terms.

    Parameters
    ----------
    feature : int
        Index of the feature in the dictionary. Values from the number of components on stand for
        the negative codes of component ``feature - n_components``. Explainers set the column of
        the codes passed to them, which `FeatureInterpreter` replaces by the index.
    method : str
        Name of the explanation method, such as "lexicon".
    n_rules : int
        Number of rules.
    budget : int
        Maximum number of rules allowed. 0 means free text, from which only a simulator can
        predict codes.
    text : str
        Sentence that says what the feature fires on.
    terms : tuple of (Term, float)
        Terms and weights. The prediction is the weighted sum of the terms, plus a constant.
    details : str, default=""
        Every rule with its weight, of which the sentence states the strongest. Empty for free text.
    """

    feature: int
    method: str
    n_rules: int
    budget: int
    text: str
    terms: tuple
    details: str = ""

    def __str__(self):
        # Texts quoted by rules may contain escape sequences, which must not reach a terminal.
        text = printable(self.text)
        if not self.budget:
            return f"{text} [{self.method}]"
        return f"{text} [{self.method}, {self.n_rules} of {self.budget} rules]"

    def predict(self, activations):
        """Predict the feature's codes from tokens alone, up to a constant and a scale.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            Activations of whole documents, in any row order; only their tokens are used.

        Returns
        -------
        ndarray of shape (n_tokens,)
            Predictions, to be compared with codes by correlation.

        Raises
        ------
        ValueError
            If the explanation is free text without rules, or a row is repeated.
        """
        if not self.budget:
            raise ValueError(
                f"{self.text!r} is free text without rules; use LLMSimulator(client) to predict "
                f"codes from it"
            )
        tokens, order = TokenBlock.of(activations), document_order(activations)
        if order is None:
            return RulePredictor([self]).predict(tokens).toarray()[:, 0]
        predicted = np.empty(len(tokens), dtype=np.float32)
        predicted[order] = RulePredictor([self]).predict(tokens[order]).toarray()[:, 0]
        return predicted


def piece(vocabulary, token_id):
    """Return a token as it is quoted in a sentence."""
    if vocabulary is None:
        return f"<{token_id}>"
    quoted = readable(vocabulary[token_id]).replace("\n", "\\n")
    return f'"{quoted}"'
