"""What a reply says outside of the drafts that reasoning models write first."""

import re

from skdict._llm._errors import ReplyError

TAG = re.compile(
    r"[<\[](/?)(?:think|thinking|thought|thoughts|reasoning|analysis|reflection|scratchpad)"
    r"(?:\s[^<>\[\]\n]*)?[>\]]",
    re.IGNORECASE,
)
# Where a draft stood, and where one was not closed. They are removed from replies first.
GAP, CUT = "\x00", "\x01"
# Longer replies are not searched: no answer that is asked for takes a hundredth of it.
MOST_CHARACTERS = 1_000_000


def without_drafts(text):
    r"""Return a reply with a `GAP` in place of each draft.

    Parameters
    ----------
    text : str
        The reply. Drafts stand between tags such as ``<think>`` and ``</think>``, which may be
        nested; one that is not closed reaches to the end, and one that is not opened begins
        with the reply, because some chat templates open it in the prompt.

    Returns
    -------
    str
        The reply, which ends with a `CUT` if its last draft is not closed.

    Raises
    ------
    ReplyError
        If the reply has more than a million characters.

    Examples
    --------
    >>> without_drafts("<think>Dogs? No.</think>Fires on: cats")
    '\x00Fires on: cats'
    """
    if len(text) > MOST_CHARACTERS:
        raise ReplyError(
            f"the reply has {len(text)} characters, more than the {MOST_CHARACTERS} that are read",
            text,
        )
    text = text.replace(GAP, "").replace(CUT, "")
    kept, depth, start = [], 0, 0
    for tag in TAG.finditer(text):
        closes = bool(tag[1])
        if closes and depth == 0:
            # All before it was a draft.
            kept = [GAP]
        elif not closes and depth == 0:
            kept += [text[start : tag.start()], GAP]
        depth = max(0, depth + (-1 if closes else 1))
        start = tag.end()
    return "".join([*kept, CUT if depth else text[start:]])
