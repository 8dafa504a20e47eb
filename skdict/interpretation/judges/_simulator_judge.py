"""A judge that needs no language model: what the rules of an explanation predict."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdict.inspection.evidence import TokenBlock
from skdict.interpretation.explainers._rules import RulePredictor


class SimulatorJudge(BaseEstimator):
    """Judge windows by what an offline explanation predicts of their tokens.

    A window without marks fits where the largest prediction on its tokens reaches the feature's
    threshold; one with marks, where the mean prediction on the marked tokens does. The threshold
    is the one of the largest F1 between "the feature fires" and "the prediction reaches it" on the
    tokens given to `fit`.

    Attributes
    ----------
    thresholds_, scales_ : dict of int to float
        Thresholds, and standard deviations of the predictions, by the feature that an explanation
        is of: a verdict is the logistic function of the distance from the threshold in such units.

    See Also
    --------
    DetectionScorer, FuzzingScorer : Ask it where no other judge is given.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from skdict.inspection.evidence import TokenBlock
    >>> from skdict.interpretation import LexiconExplainer, SimulatorJudge, Window
    >>> tokens = TokenBlock([0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 0, 1], ["a", " cat"])
    >>> codes = scipy.sparse.csc_array([[0.0], [2.0], [0.0], [2.0]])
    >>> explanations = LexiconExplainer().explain(codes, tokens)
    >>> judge = SimulatorJudge().fit(explanations, codes, tokens)
    >>> windows = [Window(("a",), token_ids=np.array([0])), Window((" cat",), None, np.array([1]))]
    >>> (judge.judge(explanations[0], windows) >= 0.5).tolist()
    [False, True]
    """

    def fit(self, explanations, codes, tokens):
        """Find the threshold of each feature.

        Parameters
        ----------
        explanations : list of Explanation or None
            One for each column of the codes, in their order.
        codes : sparse matrix of shape (n_tokens, n_features)
            Codes, none below 0.
        tokens : TokenBlock
            The tokens, in whole documents.

        Returns
        -------
        SimulatorJudge
            The judge itself.

        Raises
        ------
        ValueError
            If explanations are free words, as those of a language model: they predict nothing.
        """
        if any(explanation and not explanation.budget for explanation in explanations):
            raise ValueError(
                "explanations are free words, which stand for no rules; pass "
                "judge=LLMJudge(client) or EmbeddingJudge(encoder), or an explainer by rules such "
                "as LexiconExplainer()"
            )
        predictions = scipy.sparse.csc_array(RulePredictor(explanations).predict(tokens))
        codes = scipy.sparse.csc_array(codes)
        self.thresholds_, self.scales_ = {}, {}
        for j, explanation in enumerate(explanations):
            if explanation is None:
                continue
            predicted = predictions[:, [j]].toarray()[:, 0]
            fires = codes[:, [j]].toarray()[:, 0] > 0
            self.thresholds_[explanation.feature] = float(_best_threshold(predicted, fires))
            self.scales_[explanation.feature] = float(predicted.std()) or 1.0
        return self

    def judge(self, explanation, windows):
        """Say how likely each window fits an explanation.

        Parameters
        ----------
        explanation : Explanation
            One of those fitted.
        windows : sequence of Window
            With token ids.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            From 0 to 1; from 0.5 on the window fits.

        Raises
        ------
        TypeError
            If the explanation is no `Explanation`, or a window has no token ids.
        ValueError
            If the explanation was not given to `fit`.
        """
        check_is_fitted(self)
        if not hasattr(explanation, "terms"):
            raise TypeError(
                f"explanation is {type(explanation).__name__}; pass an Explanation of an offline "
                f"explainer, or ask EmbeddingJudge or LLMJudge"
            )
        j = explanation.feature
        if j not in self.thresholds_:
            raise ValueError(
                f"explanation is of feature {j}, for which no threshold was found; pass one of the "
                f"explanations given to fit"
            )
        sizes = [len(window.pieces) for window in windows]
        predicted = RulePredictor([explanation]).predict(_as_tokens(windows)).toarray()[:, 0]
        parts = np.split(predicted, np.cumsum(sizes)[:-1])
        values = [float(_of_window(w, p)) for w, p in zip(windows, parts, strict=True)]
        # Beyond 30 the function is 0 or 1 in any case, and exp would overflow.
        distance = np.clip((np.array(values) - self.thresholds_[j]) / self.scales_[j], -30, 30)
        return 1 / (1 + np.exp(-distance))


def _as_tokens(windows):
    """Return the tokens of windows, each one a document."""
    if any(window.token_ids is None for window in windows):
        raise TypeError(
            "a window has no token_ids, which an offline explanation speaks of; make windows with "
            "Window.of(record, vocabulary)"
        )
    ids = np.concatenate([window.token_ids for window in windows]).tolist()
    pieces = [piece for window in windows for piece in window.pieces]
    return TokenBlock.of_windows(windows, dict(zip(ids, pieces, strict=True)))


def _of_window(window, predicted):
    if window.marked is None:
        return predicted.max()
    return predicted[window.marked].mean() if window.marked.any() else -np.inf


def _best_threshold(predicted, fires):
    """Return the threshold of the largest F1, halfway to the next lower prediction."""
    values, of_token = np.unique(predicted, return_inverse=True)
    hits = np.bincount(of_token, weights=fires)[::-1].cumsum()[::-1]
    said = np.bincount(of_token)[::-1].cumsum()[::-1]
    best = int(np.argmax(2 * hits / (said + fires.sum())))
    if best == 0:
        return values[0]
    return (values[best] + values[best - 1]) / 2
