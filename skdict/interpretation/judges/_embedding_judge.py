"""A judge that compares embeddings of windows and explanations."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from skdict._validation import check_choice, check_number


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


def _spelling(texts):
    counts = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=2**14, alternate_sign=False
    )
    return counts.transform(texts)
