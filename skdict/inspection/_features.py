"""Summarise features by their top tokens and contexts."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._text import printable
from skdict._validation import check_features, check_number
from skdict.inspection._checks import check_codes


@dataclass(frozen=True)
class FeatureSummary:
    """Summary of what a feature fires on; `print` displays it.

    Parameters
    ----------
    feature : int
        Column of the codes.
    density : float
        Fraction of tokens on which the feature fires.
    max_code : float
        Largest code, in units of the activations.
    top_tokens : list of (str, float)
        Tokens with the largest shares of the feature's total code, with these shares.
    contexts : list of (float, str)
        For each of the documents in which the feature fires most strongly, the largest code and
        the text around it, with the token in brackets.
    """

    feature: int
    density: float
    max_code: float
    top_tokens: list
    contexts: list

    def __str__(self):
        tokens = ", ".join(f"{token!r} {share:.0%}" for token, share in self.top_tokens)
        lines = [f"feature {self.feature}: fires on {self.density:.2%} of tokens; {tokens}"]
        lines += [f"  {code:6.2f}  {printable(text)}" for code, text in self.contexts]
        return "\n".join(lines)


def summarize_features(codes, activations, features, *, n_tokens=5, n_contexts=4):
    """Return a summary of each feature with its top tokens and strongest contexts.

    Parameters
    ----------
    codes : csr_array or array-like of shape (n_tokens, n_components)
        Codes of the activations; only positive codes count.
    activations : Activations of shape (n_tokens, width)
        Rows that were encoded.
    features : array-like of int
        Columns of the codes to summarise.
    n_tokens : int, default=5
        Maximum number of tokens in a summary.
    n_contexts : int, default=4
        Maximum number of contexts in a summary, one per document.

    Returns
    -------
    list of FeatureSummary
        Summaries in the order of `features`. A feature that never fires has no tokens and no
        contexts.

    Raises
    ------
    TypeError
        If `activations` is not an `Activations` object.
    ValueError
        If `codes` and `activations` have different numbers of rows, a feature does not exist or
        is repeated, or a code is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import summarize_features
    >>> acts = Activations(
    ...     np.zeros((3, 2), "f"), documents=[0, 0, 0], positions=[0, 1, 2],
    ...     token_ids=[0, 1, 0], vocabulary=["a", "b"],
    ... )
    >>> print(summarize_features([[0, 1.0], [0, 0], [0, 3.0]], acts, [1])[0])
    feature 1: fires on 66.67% of tokens; 'a' 100%
        3.00  ab[a]
    """
    columns = scipy.sparse.csc_array(check_codes(codes, activations))
    for name, value in (("n_tokens", n_tokens), ("n_contexts", n_contexts)):
        check_number(name, value, low=0, integer=True)
    features = check_features(features, columns.shape[1])
    documents, token_ids = activations.documents, activations.token_ids
    return [
        _summarize(columns, j, activations, documents, token_ids, n_tokens, n_contexts)
        for j in features
    ]


def _summarize(columns, feature, activations, documents, token_ids, n_tokens, n_contexts):
    span = slice(columns.indptr[feature], columns.indptr[feature + 1])
    values, rows = columns.data[span], columns.indices[span]
    values, rows = values[values > 0], rows[values > 0]
    order = np.argsort(-values, kind="stable")
    # Rows are sorted by code, so the first row of each document is its strongest.
    _, first = np.unique(documents[rows[order]], return_index=True)
    strongest = order[np.sort(first)[:n_contexts]]
    tokens, group = np.unique(token_ids[rows], return_inverse=True)
    mass = np.bincount(group, weights=values, minlength=len(tokens))
    leading = np.argsort(-mass, kind="stable")[:n_tokens]
    one_row_each = dict(zip(token_ids[rows].tolist(), rows.tolist(), strict=True))
    return FeatureSummary(
        feature=feature,
        density=len(values) / len(activations),
        max_code=float(values.max(initial=0)),
        top_tokens=[
            (activations.token(one_row_each[int(tokens[i])]), float(mass[i] / mass.sum()))
            for i in leading
        ],
        contexts=[(float(values[i]), str(activations.context(rows[i]))) for i in strongest],
    )
