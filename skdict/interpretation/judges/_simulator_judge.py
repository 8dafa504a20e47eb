"""Judge that uses the rules of an explanation and requires no language model."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdict.inspection.evidence import TokenBlock
from skdict.interpretation.explainers._rules import RulePredictor


class SimulatorJudge(BaseEstimator):
    """Judge that rates windows by the predictions of a rule-based explanation.

    A window without marks fits if its largest prediction reaches the feature's threshold. A window
    with marks fits if the mean prediction over the marked tokens does. The threshold maximises F1
    between "the feature fires" and "the prediction reaches the threshold" over the tokens passed
    to `fit`.

    Attributes
    ----------
    thresholds_, scales_ : dict of int to float
        Threshold and standard deviation of the predictions for each feature. A verdict is the
        logistic function of the distance from the threshold, in units of the standard deviation.

    See Also
    --------
    DetectionScorer, FuzzingScorer : Use this judge by default.

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
            Explanation of each column of `codes`, in order.
        codes : sparse matrix of shape (n_tokens, n_features)
            Non-negative codes.
        tokens : TokenBlock
            Tokens of whole documents.

        Returns
        -------
        SimulatorJudge
            The judge itself.

        Raises
        ------
        ValueError
            If an explanation is free text, such as that of a language model, which has no rules.
        """
        if any(explanation and not explanation.budget for explanation in explanations):
            raise ValueError(
                "some explanations are free text without rules; pass judge=LLMJudge(client) or "
                "EmbeddingJudge(encoder), or use a rule-based explainer such as LexiconExplainer()"
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
        """Return how likely each window is to fit an explanation.

        Parameters
        ----------
        explanation : Explanation
            One of the explanations passed to `fit`.
        windows : sequence of Window
            Windows with token ids.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            Verdicts from 0 to 1; the window fits from 0.5 on.

        Raises
        ------
        TypeError
            If `explanation` is not an `Explanation`, or a window has no token ids.
        ValueError
            If `explanation` was not passed to `fit`.
        """
        check_is_fitted(self)
        if not hasattr(explanation, "terms"):
            raise TypeError(
                f"explanation is {type(explanation).__name__}; pass an Explanation of a rule-based "
                f"explainer, or use EmbeddingJudge or LLMJudge"
            )
        j = explanation.feature
        if j not in self.thresholds_:
            raise ValueError(
                f"explanation is of feature {j}, which has no threshold; pass one of the "
                f"explanations given to fit"
            )
        sizes = [len(window.pieces) for window in windows]
        predicted = RulePredictor([explanation]).predict(_as_tokens(windows)).toarray()[:, 0]
        parts = np.split(predicted, np.cumsum(sizes)[:-1])
        values = [float(_of_window(w, p)) for w, p in zip(windows, parts, strict=True)]
        # Clipping avoids overflow in exp; beyond 30 the result is 0 or 1 anyway.
        distance = np.clip((np.array(values) - self.thresholds_[j]) / self.scales_[j], -30, 30)
        return 1 / (1 + np.exp(-distance))


def _as_tokens(windows):
    """Return the tokens of windows, treating each window as a document."""
    if any(window.token_ids is None for window in windows):
        raise TypeError(
            "a window has no token_ids, which rule-based explanations need; create windows with "
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
    """Return the threshold that maximises F1, midway to the next lower prediction."""
    values, of_token = np.unique(predicted, return_inverse=True)
    hits = np.bincount(of_token, weights=fires)[::-1].cumsum()[::-1]
    said = np.bincount(of_token)[::-1].cumsum()[::-1]
    best = int(np.argmax(2 * hits / (said + fires.sum())))
    if best == 0:
        return values[0]
    return (values[best] + values[best - 1]) / 2
