"""Collect example windows of every feature from codes in memory."""

from skdict.inspection._checks import check_codes
from skdict.inspection.evidence._documents import iter_coded_documents
from skdict.inspection.evidence._drawn_windows import collect


def collect_records(codes, activations, *, chosen=None, **options):
    """Return example windows of every feature, in which it fires or does not.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
        Codes of the activations.
    activations : Activations of shape (n_tokens, width)
        Rows that were encoded, in any order.
    chosen : ndarray of bool, shape (n_documents,), or None, default=None
        Mask of the documents to draw windows from, such as `split_documents` returns; None for
        all.
    **options : dict
        Parameters `window`, `n_top`, `n_random`, `n_importance`, `n_silent` and `seed` of
        `RecordCollector`.

    Returns
    -------
    list of FeatureRecords
        One entry per column of the codes.

    Raises
    ------
    TypeError
        If `activations` is not an `Activations` object.
    ValueError
        If `codes` and `activations` have different numbers of rows, a code is not finite, or a row
        is repeated.

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
