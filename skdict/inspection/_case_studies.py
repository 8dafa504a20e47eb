"""Study single features: their tokens by code, and how well a rule predicts them."""

import itertools
import re

import numpy as np
from sklearn.utils import Bunch

from skdict._text import readable_token
from skdict._validation import check_number
from skdict.inspection._checks import check_codes
from skdict.inspection.evidence import document_bounds, document_order


def token_histogram(codes, activations, feature, *, n_bins=10, n_tokens=5):
    """Return a histogram of a feature's codes, split by token.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, n_features)
        Codes of the activations.
    activations : Activations of shape (n_samples, width)
        Rows that were encoded.
    feature : int
        Column of the codes.
    n_bins : int, default=10
        Number of bins of equal width between the smallest and the largest positive code.
    n_tokens : int, default=5
        Maximum number of tokens counted individually: those on which the feature fires most
        often.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, in units of the activations.
    counts : ndarray of shape (n_tokens + 1, n_bins)
        Number of firings on each token, with all other tokens in the last row.
    tokens : list of str
        Tokens counted individually, the most frequent first.

    Raises
    ------
    TypeError
        If `activations` is not an `Activations` object.
    ValueError
        If `codes` and `activations` have different numbers of rows, or the feature does not exist
        or never fires.
    """
    check_number("n_bins", n_bins, low=1, integer=True)
    check_number("n_tokens", n_tokens, low=0, integer=True)
    rows, values = _firings(check_codes(codes, activations), feature)
    if len(values) == 0:
        raise ValueError(
            f"feature {feature} never fires on these rows; choose a feature whose counts_ "
            f"entry in FeatureStatistics is above 0"
        )
    ids, which, numbers = np.unique(
        activations.token_ids[rows], return_inverse=True, return_counts=True
    )
    leading = np.argsort(-numbers, kind="stable")[:n_tokens]
    row_of = np.full(len(ids), len(leading))
    row_of[leading] = np.arange(len(leading))
    edges = np.histogram_bin_edges(values, bins=n_bins)
    bins = (np.searchsorted(edges, values, side="right") - 1).clip(0, n_bins - 1)
    counts = np.zeros((len(leading) + 1, n_bins), dtype=np.int64)
    np.add.at(counts, (row_of[which], bins), 1)
    return edges, counts, [readable_token(activations.vocabulary, i) for i in ids[leading]]


def predicate_scores(codes, activations, feature, predicate, *, n_bins=10):
    r"""Return how well a rule on tokens matches the tokens on which a feature fires.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, n_features)
        Codes of the activations.
    activations : Activations of shape (n_samples, width)
        Rows that were encoded.
    feature : int
        Column of the codes.
    predicate : str, re.Pattern, callable or array-like of bool, shape (n_samples,)
        Rule to test. A regular expression is searched for in the text of each document and holds
        on every token that a match overlaps: ``r"(?<=O)'"`` matches an apostrophe after an O. A
        callable receives the readable text of a token and returns True if the rule holds on it.
    n_bins : int, default=10
        Number of equal-width intervals between 0 and the largest code.

    Returns
    -------
    Bunch
        With A for "the rule holds" and F for "the feature fires": `sensitivity`,
        :math:`P(F | A)`; `specificity`, :math:`P(\bar F | \bar A)`; `precision`,
        :math:`P(A | F)`; `f1`, the harmonic mean of precision and sensitivity; `n_both`,
        `n_missed` (A only), `n_beyond` (F only) and `n_neither`, token counts; `edges`, shape
        (n_bins + 1,); `n_fired` and `precision_by_bin`, shape (n_bins,), the number of firings and
        the precision in each interval of the code. A ratio of 0 / 0 is nan.

    Raises
    ------
    TypeError
        If `activations` is not an `Activations` object, or the predicate has an unsupported type.
    ValueError
        If `codes` and `activations` have different numbers of rows, the feature does not exist, a
        regular expression is invalid or there is no vocabulary to search in, or a boolean array
        has the wrong length.

    References
    ----------
    Bricken et al. (2023), "Towards Monosemanticity", evaluate a feature by the fraction of tokens
    in each interval of its code for which a rule holds.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import predicate_scores
    >>> acts = Activations(
    ...     np.zeros((4, 2), "f"), documents=[0, 0, 0, 0], positions=[0, 1, 2, 3],
    ...     token_ids=[0, 1, 0, 2], vocabulary=["a", "b", "c"],
    ... )
    >>> found = predicate_scores([[1.0], [2.0], [0.0], [0.0]], acts, 0, "ab|ac")
    >>> found.sensitivity, found.precision, found.n_missed
    (0.5, 1.0, 2)
    """
    check_number("n_bins", n_bins, low=1, integer=True)
    rows, values = _firings(check_codes(codes, activations), feature)
    holds = _holds(predicate, activations)
    fires = np.zeros(len(holds), dtype=bool)
    fires[rows] = True
    both, missed = int((holds & fires).sum()), int((holds & ~fires).sum())
    beyond = len(rows) - both
    neither = len(holds) - both - missed - beyond
    edges = np.linspace(0, values.max(initial=0), n_bins + 1)
    bins = (np.searchsorted(edges, values, side="left") - 1).clip(0, n_bins - 1)
    n_fired = np.bincount(bins, minlength=n_bins)
    held = np.bincount(bins, holds[rows], minlength=n_bins)
    return Bunch(
        sensitivity=_ratio(both, both + missed),
        specificity=_ratio(neither, neither + beyond),
        precision=_ratio(both, both + beyond),
        f1=_ratio(2 * both, 2 * both + missed + beyond),
        n_both=both,
        n_missed=missed,
        n_beyond=beyond,
        n_neither=neither,
        edges=edges,
        n_fired=n_fired,
        precision_by_bin=np.divide(held, n_fired, out=np.full(n_bins, np.nan), where=n_fired > 0),
    )


def _ratio(part, whole):
    return part / whole if whole else float("nan")


def _firings(codes, feature):
    """Return the rows on which a feature fires, and its codes there in float64."""
    check_number("feature", feature, low=0, high=codes.shape[1] - 1, integer=True)
    here = np.flatnonzero((codes.indices == feature) & (codes.data > 0))
    rows = np.searchsorted(codes.indptr, here, side="right") - 1
    return rows, codes.data[here].astype(np.float64)


def _holds(predicate, activations):
    """Return a boolean mask of the rows on which a predicate holds."""
    if isinstance(predicate, (str, re.Pattern)):
        return _matches(predicate, activations)
    if callable(predicate):
        ids, which = np.unique(activations.token_ids, return_inverse=True)
        pieces = (readable_token(activations.vocabulary, i) for i in ids)
        return np.array([bool(predicate(piece)) for piece in pieces], dtype=bool)[which]
    holds = np.asarray(predicate)
    if holds.dtype != bool:
        raise TypeError(
            f"predicate is {type(predicate).__name__}; pass a regular expression, a callable that "
            f"maps a token's text to True or False, or a boolean array"
        )
    if holds.shape != (len(activations),):
        raise ValueError(
            f"predicate has shape {holds.shape}; pass one bool for each of the "
            f"{len(activations)} rows of activations"
        )
    return holds


def _matches(pattern, activations):
    """Return a boolean mask of the rows that a match of a regular expression overlaps."""
    try:
        pattern = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from None
    if activations.vocabulary is None:
        raise ValueError(
            "the activations have no vocabulary, so there is no text to search in; pass a boolean "
            "array as predicate"
        )
    holds, order = np.zeros(len(activations), dtype=bool), document_order(activations)
    rows = np.arange(len(activations)) if order is None else order
    ids, bounds = activations.token_ids[rows], document_bounds(activations.documents[rows])
    for start, end in itertools.pairwise(bounds):
        pieces = [activations.vocabulary[i] for i in ids[start:end]]
        ends = np.cumsum([len(piece) for piece in pieces])
        for match in pattern.finditer("".join(pieces)):
            first = np.searchsorted(ends, match.start(), side="right")
            last = np.searchsorted(ends, match.end(), side="left")
            if match.end() > match.start():
                holds[rows[start + first : start + last + 1]] = True
    return holds
