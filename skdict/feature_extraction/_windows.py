"""Split a text into the windows that the model reads, and decide which tokens yield rows."""

from typing import NamedTuple

import numpy as np

LONG_TEXTS = ("truncate", "split", "raise")


class Window(NamedTuple):
    """Tokens that the model reads together, and the tokens among them that yield rows.

    Parameters
    ----------
    ids : ndarray of int64, shape (n_tokens,)
        Token ids that the model reads.
    kept : ndarray of int64, shape (n_rows,)
        Indices in the window of the tokens that yield a row.
    positions : ndarray of int64, shape (n_rows,)
        Positions of these tokens in the whole text.
    text : int
        Index of the text, for error messages.
    """

    ids: np.ndarray
    kept: np.ndarray
    positions: np.ndarray
    text: int


def read_in_windows(text, index, *, max_length, long_texts, skip_first, left_out=None):
    """Return the windows in which the model reads a text.

    A window holds at most `max_length` tokens. If a text needs several windows, its own tokens
    are divided among them in order, and each window has the special tokens around it.

    Parameters
    ----------
    text : TokenizedText
        Tokens of the text.
    index : int
        Index of the text, for the error message.
    max_length : int
        Maximum number of tokens in a window, special tokens included.
    long_texts : {"truncate", "split", "raise"}
        Treatment of longer texts: keep only the first window, use several windows, or raise
        ValueError.
    skip_first : int
        Number of positions at the start of each window that yield no row.
    left_out : collection of int, optional
        Special tokens that yield no row anywhere in the text.

    Returns
    -------
    list of Window
        At least one window.

    Raises
    ------
    ValueError
        If the text is too long and `long_texts` is "raise", or if a window has no room for a
        token of the text next to the special tokens.
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
    """Return ids, kept and positions for the part of the text's tokens that begins at `start`."""
    ids = np.array([*text.prefix, *part, *text.suffix], dtype=np.int64)
    first, end = len(text.prefix), len(text.prefix) + len(part)
    kept = np.ones(len(ids), dtype=bool)
    kept[:skip_first] = False
    # Special tokens count once per text: those in front yield rows in the first window only, and
    # those behind would take the positions of the next window's tokens.
    if start or left_out is not None:
        kept[:first] = False
    if n_windows > 1 or left_out is not None:
        kept[end:] = False
    if left_out is not None:
        kept &= ~np.isin(ids, list(left_out))
    kept = np.flatnonzero(kept)
    return ids, kept, kept + start


def _check_length(text, index, max_length, long_texts):
    """Raise ValueError if a text is too long and must not or cannot be cut."""
    n_special = len(text.prefix) + len(text.suffix)
    if long_texts == "raise":
        raise ValueError(
            f"texts[{index}] has {n_special + len(text.body)} tokens, more than the {max_length} "
            f"that the model reads at once; shorten it, raise max_length if the model's context "
            f"allows it, or pass long_texts='split' or 'truncate'"
        )
    if max_length <= n_special:
        raise ValueError(
            f"max_length={max_length} leaves no room for texts[{index}] beside its {n_special} "
            f"special tokens; raise max_length"
        )
