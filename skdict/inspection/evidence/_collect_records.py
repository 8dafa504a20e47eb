"""The windows of every feature, from codes that fit in memory."""

from skdict.inspection._checks import check_codes
from skdict.inspection.evidence._documents import iter_coded_documents
from skdict.inspection.evidence._drawn_windows import collect


def collect_records(codes, activations, *, chosen=None, **options):
    """Return the windows in which each feature fires, and in which it does not.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
        Codes of the activations.
    activations : Activations of shape (n_tokens, width)
        The rows that the codes come from, in any order.
    chosen : ndarray of bool, shape (n_documents,), or None, default=None
        Which documents the windows come from, as `split_documents` gives them; None for all.
    **options : dict
        `window`, `n_top`, `n_random`, `n_importance`, `n_silent` and `seed` of
        `RecordCollector`.

    Returns
    -------
    list of FeatureRecords
        One for each column.

    Raises
    ------
    TypeError
        If `activations` carry no tokens.
    ValueError
        If codes and activations differ in rows, a code is not finite, or a row is repeated.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import collect_records
    >>> acts = Activations(
    ...     np.zeros((3, 2), "f"), documents=[0, 0, 1], positions=[0, 1, 0], token_ids=[0, 1, 0],
    ... )
    >>> collect_records([[0.0], [2.0], [1.0]], acts, window=2)[0].top[1].document
    1
    """
    codes = check_codes(codes, activations)
    blocks = iter_coded_documents(codes, activations, chosen)
    return collect(blocks, codes.shape[1], **options).records()
