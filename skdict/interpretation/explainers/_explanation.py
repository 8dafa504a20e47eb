"""An explanation: a sentence, and the few weighted terms that it stands for."""

from dataclasses import dataclass

import numpy as np

from skdict._text import printable, readable
from skdict.inspection.evidence import TokenBlock, document_order
from skdict.interpretation.explainers._rules import RulePredictor


@dataclass(frozen=True)
class Explanation:
    """What a feature fires on, in a sentence and as a rule that can be checked.

    Parameters
    ----------
    feature : int
        Its index in the dictionary; from the number of components on, the negative codes of
        component ``feature - n_components``. Explainers give the column of the codes they are
        shown, which `FeatureInterpreter` replaces.
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

    def predict(self, activations):
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
            return RulePredictor([self]).predict(tokens).toarray()[:, 0]
        predicted = np.empty(len(tokens), dtype=np.float32)
        predicted[order] = RulePredictor([self]).predict(tokens[order]).toarray()[:, 0]
        return predicted


def piece(vocabulary, token_id):
    """Return how a token reads in a sentence."""
    if vocabulary is None:
        return f"<{token_id}>"
    quoted = readable(vocabulary[token_id]).replace("\n", "\\n")
    return f'"{quoted}"'
