"""A text becomes what the model reads at a time, and the rows that come of it."""

from typing import NamedTuple

import numpy as np

LONG_TEXTS = ("truncate", "split", "raise")


class Window(NamedTuple):
    """Tokens that the model reads together, and those of them that give rows.

    Parameters
    ----------
    ids : ndarray of int64, shape (n_tokens,)
        What the model reads.
    kept : ndarray of int64, shape (n_rows,)
        Where in the window the tokens stand that give a row.
    positions : ndarray of int64, shape (n_rows,)
        Where in the whole text they stand.
    text : int
        Index of the text, for messages.
    """

    ids: np.ndarray
    kept: np.ndarray
    positions: np.ndarray
    text: int


def read_in_windows(text, index, *, max_length, long_texts, skip_first, left_out=None):
    """Return the windows in which the model reads a text.

    One window holds at most `max_length` tokens. Where a text needs several, each has the
    special tokens around it, and the text's own tokens are shared out among them, in order.

    Parameters
    ----------
    text : TokenizedText
        Its tokens.
    index : int
        Which text it is, for the message.
    max_length : int
        Most tokens of a window, special ones included.
    long_texts : {"truncate", "split", "raise"}
        Whether a text of more tokens is cut to its first window, read in several, or refused.
    skip_first : int
        Positions at the start of each window that give no row.
    left_out : collection of int, optional
        Special tokens, if they are to give no row, wherever they stand.

    Returns
    -------
    list of Window
        At least one.

    Raises
    ------
    ValueError
        If the text is too long and `long_texts` is "raise", or no token of it fits into a
        window beside the special ones.
    """
    room = max_length - len(text.prefix) - len(text.suffix)
    if len(text.body) > room:
        _check_length(text, index, max_length, long_texts)
    starts = range(0, max(len(text.body), 1), max(room, 1))
    if long_texts == "truncate":
        starts = starts[:1]
    parts = [(start, text.body[start : start + room]) for start in starts]
    return [
        Window(*_rows_of(text, part, start, len(starts), skip_first, left_out), index)
        for start, part in parts
    ]


def _rows_of(text, part, start, n_windows, skip_first, left_out):
    """Return ids, kept and positions of the part of a text's own tokens that starts at `start`."""
    ids = np.array([*text.prefix, *part, *text.suffix], dtype=np.int64)
    first, end = len(text.prefix), len(text.prefix) + len(part)
    kept = np.ones(len(ids), dtype=bool)
    kept[:skip_first] = False
    # Special tokens stand around the whole text once: what is in front belongs to the first
    # window, and what is behind would take the place of the next window's tokens.
    if start or left_out is not None:
        kept[:first] = False
    if n_windows > 1 or left_out is not None:
        kept[end:] = False
    if left_out is not None:
        kept &= ~np.isin(ids, list(left_out))
    kept = np.flatnonzero(kept)
    return ids, kept, kept + start


def _check_length(text, index, max_length, long_texts):
    """Refuse a text of more than `max_length` tokens, if it is to be or cannot be cut."""
    n_special = len(text.prefix) + len(text.suffix)
    if long_texts == "raise":
        raise ValueError(
            f"texts[{index}] has {n_special + len(text.body)} tokens, more than the {max_length} "
            f"that are read of a text; shorten it, raise max_length if the model's context "
            f"allows it, or pass long_texts='split' or 'truncate'"
        )
    if max_length <= n_special:
        raise ValueError(
            f"max_length={max_length} leaves no room for texts[{index}] beside its {n_special} "
            f"special tokens; raise max_length"
        )
