"""Sort rows by document, and iterate over blocks of whole documents."""

import numpy as np

from skdict._store import first_out_of_order

BLOCK_ROWS = 8192


def document_order(tokens):
    """Return the order that sorts rows by document and position.

    Parameters
    ----------
    tokens : Activations or TokenBlock
        Rows in any order, for example a view by row numbers.

    Returns
    -------
    ndarray of int, shape (n_tokens,), or None
        Row indices in sorted order; None if the rows are already sorted.

    Raises
    ------
    ValueError
        If a row is repeated, because a window would contain its token twice.
    """
    documents, positions = tokens.documents, tokens.positions
    if first_out_of_order(documents, positions) is None:
        return None
    order = np.lexsort((positions, documents))
    documents, positions = documents[order], positions[order]
    twice = (documents[1:] == documents[:-1]) & (positions[1:] == positions[:-1])
    if twice.any():
        at = int(np.argmax(twice))
        raise ValueError(
            f"rows {order[at]} and {order[at + 1]} are both document {documents[at]}, position "
            f"{positions[at]}; pass each row once, as acts[np.unique(rows)] does"
        )
    return order


def in_document_order(activations, codes=None):
    """Return rows sorted by document and position, along with their codes.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width) or TokenBlock
        Rows in any order.
    codes : {ndarray, csr_array} of shape (n_tokens, n_features), optional
        Codes of the rows.

    Returns
    -------
    (Activations or TokenBlock, codes)
        Sorted rows and codes; the input objects themselves if the rows are already sorted.

    Raises
    ------
    ValueError
        If a row is repeated.
    """
    order = document_order(activations)
    if order is None:
        return activations, codes
    return activations[order], None if codes is None else codes[order]


def document_bounds(documents):
    """Return the first row of each document, for sorted rows, followed by the number of rows."""
    changes = np.flatnonzero(documents[1:] != documents[:-1]) + 1
    return np.concatenate([[0], changes, [len(documents)]])


def iter_documents(activations, chosen=None, *, block_rows=BLOCK_ROWS):
    """Yield `Activations` of whole documents, about `block_rows` rows at a time.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Rows in any order, read block by block and yielded by document and position.
    chosen : ndarray of bool, shape (n_documents,), or None
        Mask of the documents to yield, ordered by document number; None for all.
    block_rows : int, default=8192
        Maximum number of rows in a block; a longer document gets a block of its own.

    Yields
    ------
    Activations

    Raises
    ------
    ValueError
        If a row is repeated.
    """
    activations, _ = in_document_order(activations)
    bounds = document_bounds(activations.documents)
    which = np.arange(len(bounds) - 1) if chosen is None else np.flatnonzero(chosen)
    start = 0
    lengths = np.cumsum(bounds[which + 1] - bounds[which])
    while start < len(which):
        done = lengths[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(lengths, done + block_rows, side="right")))
        taken = which[start:end]
        if taken[-1] - taken[0] + 1 == len(taken):
            yield activations[int(bounds[taken[0]]) : int(bounds[taken[-1] + 1])]
        else:
            rows = [np.arange(bounds[d], bounds[d + 1]) for d in taken]
            yield activations[np.concatenate(rows)]
        start = end


def iter_coded_documents(codes, activations, chosen=None):
    """Yield blocks of whole documents with their codes.

    Parameters
    ----------
    codes : csr_array of shape (n_tokens, n_features)
        Codes of the activations.
    activations : Activations of shape (n_tokens, width)
        Rows in any order; they are yielded by document and position.
    chosen : ndarray of bool, shape (n_documents,), or None, default=None
        Mask of the documents to yield, ordered by document number; None for all.

    Yields
    ------
    (csr_array, Activations)
        Codes and rows of the blocks that `iter_documents` yields.

    Raises
    ------
    ValueError
        If a row is repeated.
    """
    activations, codes = in_document_order(activations, codes)
    if chosen is not None:
        sizes = np.diff(document_bounds(activations.documents))
        codes = codes[np.flatnonzero(np.repeat(chosen, sizes))]
    start = 0
    for block in iter_documents(activations, chosen):
        yield codes[start : start + len(block)], block
        start += len(block)
