"""The tokens and contexts in which a feature fires."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._text import printable
from skdict._validation import check_features, check_number
from skdict.inspection._checks import check_codes


@dataclass(frozen=True)
class FeatureSummary:
    """What a feature fires on; `print` shows it.

    Parameters
    ----------
    feature : int
        Column of the codes.
    density : float
        Share of tokens on which it fires.
    max_code : float
        Its largest code, in units of the activations.
    top_tokens : list of (str, float)
        Tokens with the largest share of the feature's total code, and the share.
    contexts : list of (float, str)
        The strongest code of each of the strongest documents, and the text around it, with
        the token in brackets.
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
    """Return, for each feature, its tokens and its strongest contexts.

    Parameters
    ----------
    codes : csr_array or array-like of shape (n_tokens, n_components)
        Codes of the activations; features are summarised by their positive codes.
    activations : Activations of shape (n_tokens, width)
        The rows that the codes come from.
    features : array-like of int
        Columns of the codes.
    n_tokens : int, default=5
        Most tokens in a summary.
    n_contexts : int, default=4
        Most contexts in a summary, each from another document.

    Returns
    -------
    list of FeatureSummary
        In the order of `features`. A feature that never fires has no token and no context.

    Raises
    ------
    TypeError
        If `activations` carry no tokens.
    ValueError
        If codes and activations differ in rows, a feature does not exist or is named twice, or a
        code is not finite.

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
    # The first of each document in order of strength is the document's strongest.
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
