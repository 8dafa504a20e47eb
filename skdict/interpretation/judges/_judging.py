"""Windows of text to be judged, the verdicts of a judge, and how good they are."""

import re
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skdict.interpretation.ratings._items import marked_text, readable

WORDS = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")


@dataclass(frozen=True, eq=False)
class Window:
    """A window of text that a judge is shown; `str` marks tokens in ``<< >>``.

    Parameters
    ----------
    pieces : tuple of str
        The tokens as text.
    marked : ndarray of bool, shape (n_tokens,), or None, default=None
        The tokens that are marked; None where the judge is shown no marks.
    token_ids : ndarray of int, shape (n_tokens,), or None, default=None
        Their numbers, for judges that simulate.
    position : int, default=0
        Position of the first token in its document.

    Examples
    --------
    >>> from skdict.interpretation import Window
    >>> window = Window.from_text("see a<< cat>> run")
    >>> window.pieces, window.marked.tolist(), str(window)
    (('see', ' a', ' cat', ' run'), [False, False, True, False], 'see a<< cat>> run')
    """

    pieces: tuple
    marked: np.ndarray | None = None
    token_ids: np.ndarray | None = None
    position: int = 0

    @classmethod
    def from_text(cls, text):
        """Return the window of a text, cut into words, marks taken from ``<< >>``.

        Parameters
        ----------
        text : str
            The text; without marks, `marked` is None.

        Returns
        -------
        Window
            Its pieces are words, not tokens.
        """
        pieces, marked = [], []
        for i, part in enumerate(re.split(r"<<(.*?)>>", text, flags=re.DOTALL)):
            words = WORDS.findall(part)
            pieces += words
            marked += [i % 2 == 1] * len(words)
        return cls(tuple(pieces), np.array(marked, dtype=bool) if any(marked) else None)

    @classmethod
    def of(cls, record, vocabulary, marked=None):
        """Return the window of a record.

        Parameters
        ----------
        record : Record
            As `collect_records` gives them.
        vocabulary : sequence of str or None
            The readable piece of each token; without it a token shows as its number.
        marked : ndarray of bool, shape (n_tokens,), or None, default=None
            The tokens to mark.

        Returns
        -------
        Window
            With token ids.
        """
        ids = record.token_ids
        pieces = (f" {i}" if vocabulary is None else readable(vocabulary[i]) for i in ids)
        return cls(tuple(pieces), marked, ids, record.position)

    def without_marks(self):
        """Return the same window, nothing marked.

        Returns
        -------
        Window
            For a judge that is shown no marks.
        """
        return replace(self, marked=None)

    def __str__(self):
        marked = np.zeros(len(self.pieces), dtype=bool) if self.marked is None else self.marked
        return marked_text(self.pieces, marked)


def ask_judge(judge, explanation, windows, *, n_shown=5, seed=0):
    """Return what a judge says of each window, in an order that tells nothing.

    Parameters
    ----------
    judge : object
        Its ``judge(explanation, windows)`` gives, for each window, how likely it is that the
        explanation fits: numbers from 0 to 1, nan where it failed to say.
    explanation : Explanation, str or None
        What to judge by.
    windows : sequence of Window
        What to judge.
    n_shown : int, default=5
        Windows that the judge is shown at a time; the last time there may be fewer.
    seed : int, default=0
        Of the order.

    Returns
    -------
    ndarray of float, shape (n_windows,)
        In the order of the windows.

    Raises
    ------
    ValueError
        If the judge gives another number of values, or values outside of 0 and 1.
    """
    order = np.random.default_rng(seed).permutation(len(windows))
    shown = [order[start : start + n_shown] for start in range(0, len(windows), n_shown)]
    batches = [[windows[i] for i in batch] for batch in shown]
    said = np.full(len(windows), np.nan)
    for batch, given in zip(shown, _asked(judge, explanation, batches), strict=True):
        said[batch] = _check_verdicts(judge, given, len(batch))
    return said


def _asked(judge, explanation, batches):
    # A judge that waits for an endpoint is asked several things at a time.
    if hasattr(judge, "judge_batches"):
        return judge.judge_batches(explanation, batches)
    return [judge.judge(explanation, batch) for batch in batches]


def _check_verdicts(judge, given, n):
    given = np.asarray(given, dtype=np.float64)
    if given.shape != (n,) or ((given < 0) | (given > 1)).any():
        raise ValueError(
            f"{type(judge).__name__}.judge gave {np.array2string(given, threshold=8)} for {n} "
            f"windows; it must give {n} numbers from 0 to 1, nan where it failed to say"
        )
    return given


def judgment_measures(labels, said, *, prevalence=None):
    r"""Return how good the verdicts on some windows are.

    A window counts as judged to fit from 0.5 on. Windows without a verdict are counted and left
    out.

    Parameters
    ----------
    labels : array-like of bool, shape (n_windows,)
        Which windows fit.
    said : array-like of float, shape (n_windows,)
        The verdicts: from 0 to 1, nan where there is none.
    prevalence : float or None, default=None
        Share of windows that fit in the whole corpus. If given, windows are weighted so that
        those that fit have this share, and `corpus_f1`, `corpus_average_precision` and
        `corpus_correlation`, Pearson's between label and verdict, are added.

    Returns
    -------
    dict of str to float
        `balanced_accuracy`, the mean of the shares judged rightly among those that fit and
        those that do not; `f1`; `auroc`; and `n_failed`. Measures are nan where a label has no
        verdict.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> from skdict.interpretation import judgment_measures
    >>> measures = judgment_measures([True, True, False, False], [1, 0, 0, 0])
    >>> measures["balanced_accuracy"], measures["auroc"]
    (0.75, 0.75)
    """
    labels, said = np.asarray(labels, dtype=bool), np.asarray(said, dtype=np.float64)
    if labels.shape != said.shape or labels.ndim != 1:
        raise ValueError(
            f"labels have shape {labels.shape} and verdicts {said.shape}; pass one of each for "
            f"each window"
        )
    given = np.isfinite(said)
    n_failed = int((~given).sum())
    labels, said = labels[given], said[given]
    names = ["balanced_accuracy", "f1", "auroc"]
    if prevalence is not None:
        names += ["corpus_f1", "corpus_average_precision", "corpus_correlation"]
    if labels.all() or not labels.any():
        return dict.fromkeys(names, np.nan) | {"n_failed": n_failed}
    yes = said >= 0.5
    values = [
        _balanced_accuracy(labels, yes),
        _f1(labels, yes, np.ones(len(labels))),
        roc_auc_score(labels, said),
    ]
    if prevalence is not None:
        shares = prevalence / labels.sum(), (1 - prevalence) / (~labels).sum()
        weight = np.where(labels, *shares)
        values += [
            _f1(labels, yes, weight),
            average_precision_score(labels, said, sample_weight=weight),
            _correlation(labels.astype(float), said, weight),
        ]
    return {k: float(v) for k, v in zip(names, values, strict=True)} | {"n_failed": n_failed}


def _balanced_accuracy(labels, yes):
    # Counts first, one division: rounded once.
    n_fit, n_not = int(labels.sum()), int((~labels).sum())
    right = int((labels & yes).sum()) * n_not + int((~labels & ~yes).sum()) * n_fit
    return right / (2 * n_fit * n_not)


def _f1(labels, yes, weight):
    return 2 * weight[labels & yes].sum() / (weight[labels].sum() + weight[yes].sum())


def _correlation(a, b, weight):
    weight = weight / weight.sum()
    a, b = a - weight @ a, b - weight @ b
    spread = np.sqrt((weight @ a**2) * (weight @ b**2))
    # A judge that says the same of all windows correlates with nothing.
    return weight @ (a * b) / spread if spread > 0 else 0.0
