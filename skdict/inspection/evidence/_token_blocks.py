"""Tokens in blocks of whole documents, and documents in parts that share nothing."""

import numpy as np

from skdict._store import first_out_of_order
from skdict.inspection.evidence._keys import mix

BLOCK_ROWS = 8192
PARTS = ("explain", "select", "test")


class TokenBlock:
    """The token table of some rows, as plain columns.

    Parameters
    ----------
    documents, positions, token_ids : ndarray of int, shape (n_tokens,)
        As in `Activations`; documents are whole.
    vocabulary : sequence of str or None, default=None
        Readable piece of each token id.
    """

    def __init__(self, documents, positions, token_ids, vocabulary=None):
        self.documents = np.asarray(documents, dtype=np.int64)
        self.positions = np.asarray(positions, dtype=np.int64)
        self.token_ids = np.asarray(token_ids, dtype=np.int64)
        self.vocabulary = vocabulary

    @classmethod
    def of(cls, activations):
        """Return the tokens of `Activations`."""
        a = activations
        return cls(a.documents, a.positions, a.token_ids, a.vocabulary)

    def __len__(self):
        return len(self.token_ids)

    def __getitem__(self, rows):
        columns = (column[rows] for column in (self.documents, self.positions, self.token_ids))
        return TokenBlock(*columns, self.vocabulary)

    def back(self, offset):
        """Return the token id some tokens before each row.

        Parameters
        ----------
        offset : int
            How many tokens before.

        Returns
        -------
        ndarray of shape (n_rows,), dtype int64
            -1 where the document has none there.
        """
        if offset == 0:
            return self.token_ids
        found = np.full(len(self), -1, dtype=np.int64)
        same = (self.documents[offset:] == self.documents[:-offset]) & (
            self.positions[offset:] - self.positions[:-offset] == offset
        )
        found[offset:][same] = self.token_ids[:-offset][same]
        return found


def document_order(tokens):
    """Return the order that puts rows by document and position.

    Parameters
    ----------
    tokens : Activations or TokenBlock
        Rows in any order, such as a view by row numbers.

    Returns
    -------
    ndarray of int, shape (n_tokens,), or None
        None if the rows are in this order.

    Raises
    ------
    ValueError
        If a row is repeated: a window would hold its token twice.
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
    """Return rows by document and position, and their codes with them.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width) or TokenBlock
        Rows in any order.
    codes : {ndarray, csr_array} of shape (n_tokens, n_features), optional
        Codes of the rows.

    Returns
    -------
    (Activations or TokenBlock, codes)
        The same objects where the rows are in order.

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
    """Return the first row of each document of rows in order, and the number of all rows."""
    changes = np.flatnonzero(documents[1:] != documents[:-1]) + 1
    return np.concatenate([[0], changes, [len(documents)]])


def split_documents(activations, *, seed=0, shares=(0.5, 0.2), most_tokens=131_072):
    """Deal the documents out to three parts, before anything is looked at.

    The order is that of a hash of seed and document, so it does not depend on codes, and is
    the same for every dictionary.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Whose documents are dealt out.
    seed : int, default=0
        Other seeds give other parts.
    shares : (float, float), default=(0.5, 0.2)
        Shares of the documents to explain and to select on; the rest tests.
    most_tokens : int, default=131072
        Most tokens to explain on, and half as many to select on: what is left tests.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_documents,)
        For "explain", "select" and "test", which documents, by increasing number.

    Raises
    ------
    ValueError
        If there are fewer than three documents.
    """
    documents = np.sort(activations.documents)
    bounds = document_bounds(documents)
    n_documents = len(bounds) - 1
    if n_documents < 3:
        raise ValueError(
            f"the activations are of {n_documents} documents; pass at least 3: explanations are "
            f"written, chosen and tested on different documents"
        )
    order = np.argsort(mix(seed, documents[bounds[:-1]]), kind="stable")
    tokens = np.cumsum(np.diff(bounds)[order])
    ends, used, begun = [], 0, 0
    for i, share in enumerate(shares):
        left = len(shares) - i
        by_share = begun + max(1, round(share * n_documents))
        by_tokens = np.searchsorted(tokens, used + most_tokens // (i + 1), side="right")
        begun = min(max(begun + 1, min(by_share, by_tokens)), n_documents - left)
        used = tokens[begun - 1]
        ends.append(begun)
    parts = {}
    for name, start, end in zip(PARTS, [0, *ends], [*ends, n_documents], strict=True):
        parts[name] = np.zeros(n_documents, dtype=bool)
        parts[name][order[start:end]] = True
    return parts


def iter_documents(activations, chosen=None, *, block_rows=BLOCK_ROWS):
    """Yield `Activations` of whole documents, about `block_rows` rows at a time.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Read block by block; rows may be in any order, and are given by document and position.
    chosen : ndarray of bool, shape (n_documents,), or None
        Which documents, by increasing number; None for all.
    block_rows : int, default=8192
        Rows at which a block is full; a longer document has a block of its own.

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
