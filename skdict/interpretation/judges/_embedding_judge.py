"""Judge that compares embeddings of windows and explanations."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from skdict._validation import check_choice, check_number


class EmbeddingJudge(BaseEstimator):
    r"""Judge that rates windows by the similarity of their embeddings to the explanation.

    With cosine similarity s and threshold :math:`\tau`, the verdict is
    :math:`(1 + s - \tau) / 2`, clipped to the range from 0 to 1, so AUROC and average precision
    do not depend on the threshold. Without an explanation, s is the cosine similarity to the sum
    of the other windows, which identifies the window that does not belong.

    Parameters
    ----------
    encoder : callable or None, default=None
        Function from a list of texts to an array or sparse matrix of shape (n_texts,
        n_dimensions), such as the `encode` method of a sentence encoder. None counts character
        n-grams of 2 to 4 characters within words, which captures spelling but not meaning.
    threshold : float, default=0.2
        Minimum cosine similarity at which a window fits.
    part : {"window", "marked"}, default="window"
        Text to encode: the whole window including its marks, or only the marked tokens.

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
        """Rate how well each window fits an explanation, or fits the other windows.

        Parameters
        ----------
        explanation : Explanation, str or None
            Explanation to compare with; None compares the windows with one another.
        windows : sequence of Window
            Windows to judge.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            Verdicts from 0 to 1.

        Raises
        ------
        TypeError
            If `encoder` is not callable.
        ValueError
            If a parameter is out of range, or `encoder` does not return one row per text.
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
                f"the encoder returned shape {rows.shape} for {len(texts)} texts; it must return "
                f"({len(texts)}, n_dimensions)"
            )
        return normalize(rows)


def _spelling(texts):
    counts = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=2**14, alternate_sign=False
    )
    return counts.transform(texts)
