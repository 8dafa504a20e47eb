"""Removal of the reasoning drafts that precede or interrupt an answer."""

import re

from skdict._llm._errors import ReplyError

TAG = re.compile(
    r"[<\[](/?)(?:think|thinking|thought|thoughts|reasoning|analysis|reflection|scratchpad)"
    r"(?:\s[^<>\[\]\n]*)?[>\]]",
    re.IGNORECASE,
)
# Markers for a removed draft and for an unclosed draft; removed from incoming replies first.
GAP, CUT = "\x00", "\x01"
# Longer replies are rejected: expected answers are less than a hundredth of this.
MOST_CHARACTERS = 1_000_000


def without_drafts(text):
    r"""Return a reply with each draft replaced by `GAP`.

    Parameters
    ----------
    text : str
        Reply to clean. A draft is enclosed in tags such as ``<think>`` and ``</think>``, which
        may be nested. A draft that is not closed extends to the end of the reply. A draft that is
        not opened starts at the beginning, because some chat templates open it in the prompt.

    Returns
    -------
    str
        Reply without drafts, ending in `CUT` if the last draft is not closed.

    Raises
    ------
    ReplyError
        If the reply has more than 1,000,000 characters.

    Examples
    --------
    >>> without_drafts("<think>Dogs? No.</think>Fires on: cats")
    '\x00Fires on: cats'
    """
    if len(text) > MOST_CHARACTERS:
        raise ReplyError(
            f"the reply has {len(text)} characters; at most {MOST_CHARACTERS} are accepted",
            text,
        )
    text = text.replace(GAP, "").replace(CUT, "")
    kept, depth, start = [], 0, 0
    for tag in TAG.finditer(text):
        closes = bool(tag[1])
        if closes and depth == 0:
            # Closing without opening: everything before the tag was a draft.
            kept = [GAP]
        elif not closes and depth == 0:
            kept += [text[start : tag.start()], GAP]
        depth = max(0, depth + (-1 if closes else 1))
        start = tag.end()
    return "".join([*kept, CUT if depth else text[start:]])
