"""Check the order of rows by document and position."""

import numpy as np


def first_out_of_order(documents, positions):
    """Return the first row that is out of order, or None.

    Parameters
    ----------
    documents, positions : ndarray of int, shape (n_tokens,)
        Document and position of each row. Documents must not decrease, and positions must
        increase within a document.

    Returns
    -------
    int or None
    """
    in_order = positions[1:] > positions[:-1]
    in_order &= documents[1:] == documents[:-1]
    in_order |= documents[1:] > documents[:-1]
    return None if in_order.all() else int(np.argmin(in_order)) + 1


def check_order(documents, positions):
    """Raise `ValueError` unless rows are ordered by document and position."""
    row = first_out_of_order(documents, positions)
    if row is not None:
        raise ValueError(
            f"row {row} (document {documents[row]}, position {positions[row]}) comes after "
            f"document {documents[row - 1]}, position {positions[row - 1]}; sort the rows by "
            f"document, then by position: rows[np.lexsort((positions, documents))]"
        )
