"""Judges that need no language model: one method, ``judge(explanation, windows)``."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from skdict._validation import check_choice, check_number
from skdict.inspection import TokenBlock
from skdict.interpretation.explainers._explanation import Simulator
from skdict.interpretation.judges._judging import Window


class SimulatorJudge(BaseEstimator):
    """Judge windows by what an offline explanation predicts of their tokens.

    A window without marks fits where the largest prediction on its tokens reaches the feature's
    threshold; one with marks, where the mean prediction on the marked tokens does. The threshold
    is the one of the largest F1 between "the feature fires" and "the prediction reaches it" on the
    tokens given to `fit`.

    Attributes
    ----------
    thresholds_, scales_ : ndarray of shape (n_features,)
        Thresholds, and standard deviations of the predictions: a verdict is the logistic
        function of the distance from the threshold in such units.

    See Also
    --------
    DetectionScorer, FuzzingScorer : Ask it where no other judge is given.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from skdict.inspection import TokenBlock
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
        predictions = scipy.sparse.csc_array(Simulator(explanations).simulate(tokens))
        codes = scipy.sparse.csc_array(codes)
        n_features = len(explanations)
        self.thresholds_, self.scales_ = np.zeros(n_features), np.ones(n_features)
        for j in range(n_features):
            predicted = predictions[:, [j]].toarray()[:, 0]
            fires = codes[:, [j]].toarray()[:, 0] > 0
            self.thresholds_[j] = _best_threshold(predicted, fires)
            self.scales_[j] = predicted.std() or 1.0
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
        """
        check_is_fitted(self)
        if not hasattr(explanation, "terms"):
            raise TypeError(
                f"explanation is {type(explanation).__name__}; pass an Explanation of an offline "
                f"explainer, or ask EmbeddingJudge or LLMJudge"
            )
        sizes = [len(window.pieces) for window in windows]
        predicted = Simulator([explanation]).simulate(_as_tokens(windows, sizes)).toarray()[:, 0]
        parts = np.split(predicted, np.cumsum(sizes)[:-1])
        values = np.array([_of_window(w, p) for w, p in zip(windows, parts, strict=True)])
        j = explanation.feature
        # Beyond 30 the function is 0 or 1 in any case, and exp would overflow.
        distance = np.clip((values - self.thresholds_[j]) / self.scales_[j], -30, 30)
        return 1 / (1 + np.exp(-distance))


class EmbeddingJudge(BaseEstimator):
    r"""Judge windows by how similar their embedding is to that of the explanation.

    With cosine s and threshold :math:`\tau` the verdict is :math:`(1 + s - \tau) / 2`, cut to
    0 and 1; so AUROC and average precision do not depend on the threshold. Without an
    explanation, s is the cosine to the sum of the other windows: which one does not belong?

    Parameters
    ----------
    encoder : callable or None, default=None
        From a list of texts to an array or sparse matrix of shape (n_texts, n_dimensions), such
        as the `encode` of a sentence encoder. None counts runs of 2 to 4 characters in words,
        which knows spelling and no meaning.
    threshold : float, default=0.2
        Cosine from which a window fits.
    part : {"window", "marked"}, default="window"
        Whether the window is encoded, its marks included, or its marked tokens alone.

    Examples
    --------
    >>> from skdict.interpretation import EmbeddingJudge, Window
    >>> windows = [Window.from_text(text) for text in ("cats and dogs", "the stock market")]
    >>> said = EmbeddingJudge().judge("a cat or a dog", windows)
    >>> bool(said[0] > said[1])
    True
    """

    def __init__(self, encoder=None, *, threshold=0.2, part="window"):
        self.encoder = encoder
        self.threshold = threshold
        self.part = part

    def judge(self, explanation, windows):
        """Say how well each window fits an explanation, or the other windows.

        Parameters
        ----------
        explanation : Explanation, str or None
            What to judge by.
        windows : sequence of Window
            What to judge.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            From 0 to 1.

        Raises
        ------
        TypeError
            If the encoder is not callable.
        ValueError
            If a parameter is out of bounds, or the encoder gives no row for each text.
        """
        check_choice("part", self.part, ("window", "marked"))
        check_number("threshold", self.threshold, low=-1, high=1)
        texts = [self._text(window) for window in windows]
        if explanation is None:
            rows = self._encode(texts)
            others = rows.sum(axis=0) - rows
            cosine = (rows * normalize(others)).sum(axis=1)
        else:
            rows = self._encode([getattr(explanation, "text", explanation), *texts])
            cosine = rows[1:] @ rows[0]
        return np.clip((1 + cosine - self.threshold) / 2, 0, 1)

    def _text(self, window):
        if self.part == "window" or window.marked is None:
            return str(window)
        return " ".join(p for p, marked in zip(window.pieces, window.marked, strict=True) if marked)

    def _encode(self, texts):
        encoder = _spelling if self.encoder is None else self.encoder
        if not callable(encoder):
            raise TypeError(
                f"encoder={encoder!r} is not accepted: pass a callable from a list of texts to "
                f"rows, such as SentenceTransformer(...).encode"
            )
        rows = encoder(texts)
        rows = rows.toarray() if scipy.sparse.issparse(rows) else np.asarray(rows, dtype=float)
        if rows.ndim != 2 or len(rows) != len(texts):
            raise ValueError(
                f"the encoder gave shape {rows.shape} for {len(texts)} texts; it must give "
                f"({len(texts)}, n_dimensions)"
            )
        return normalize(rows)


class RecordedJudge:
    """Give verdicts that were recorded: those of a language model, or of people.

    Parameters
    ----------
    verdicts : dict of (str, str) to float
        For explanation and window, both as text, what was said: True, False or a number from 0 to
        1; nan where the judge failed.

    Examples
    --------
    >>> from skdict.interpretation import RecordedJudge, Window
    >>> judge = RecordedJudge({("cats", "a cat ran"): True})
    >>> judge.judge("cats", [Window.from_text("a cat ran")]).tolist()
    [1.0]
    """

    def __init__(self, verdicts):
        # Marks side by side are read as one, however they were written.
        self.verdicts = {
            (said, str(Window.from_text(text))): verdict
            for (said, text), verdict in verdicts.items()
        }

    def judge(self, explanation, windows):
        """Return what was said of each window.

        Parameters
        ----------
        explanation : Explanation or str
            What it was judged by.
        windows : sequence of Window
            What was judged.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            The verdicts recorded.

        Raises
        ------
        KeyError
            If there is no verdict on a window.
        """
        said = getattr(explanation, "text", explanation)
        pairs = [(said, str(window)) for window in windows]
        for pair in pairs:
            if pair not in self.verdicts:
                raise KeyError(
                    f"no verdict on {pair[1]!r} by {pair[0]!r} was recorded; pass the windows that "
                    f"were judged"
                )
        return np.array([self.verdicts[pair] for pair in pairs], dtype=np.float64)


def _spelling(texts):
    counts = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=2**14, alternate_sign=False
    )
    return counts.transform(texts)


def _as_tokens(windows, sizes):
    """Return the tokens of windows, each one a document."""
    if any(window.token_ids is None for window in windows):
        raise TypeError(
            "a window has no token_ids, which an offline explanation speaks of; make windows with "
            "Window.of(record, vocabulary)"
        )
    ids = np.concatenate([window.token_ids for window in windows])
    pieces = [piece for window in windows for piece in window.pieces]
    return TokenBlock(
        np.repeat(np.arange(len(windows)), sizes),
        np.concatenate([w.position + np.arange(n) for w, n in zip(windows, sizes, strict=True)]),
        ids,
        dict(zip(ids.tolist(), pieces, strict=True)),
    )


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
