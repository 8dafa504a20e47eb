"""Extraction of the last complete answer from a reply: a prefixed line or a JSON object."""

import json
import re

from skdict._llm._drafts import CUT, GAP, without_drafts
from skdict._llm._errors import ReplyError

# Matching braces only requires finding braces and strings; braces in strings do not count.
MARK, STRING = re.compile(r'["{}]'), re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
MARKUP = " \t*_`>#-"
MOST_NESTED = 20


def last_line(text, prefix, stop):
    """Return the text after a prefix on the last line that begins with the prefix.

    Parameters
    ----------
    text : str
        Reply, which may contain drafts, fences or preambles around the answer.
    prefix : str
        Expected beginning of the line, in any case. If no line begins with it, lines that contain
        it are used.
    stop : Pattern
        Beginning of the next question, which completion models tend to make up after their
        answer.

    Returns
    -------
    str
        Answer without the prefix.

    Raises
    ------
    ReplyError
        If no line contains the prefix, a draft interrupts the line, or no word follows.
    """
    # Clients that prefill the reply put the prefix before a draft as well.
    begun = re.compile(rf"({re.escape(prefix)})[\s*]*{GAP}", re.IGNORECASE)
    pieces = list(_pieces(begun.sub(r"\1", without_drafts(text))))
    starts = [prefix_at(piece, prefix) for piece, _ in pieces]
    found = [
        i for i, at in enumerate(starts) if at is not None and not pieces[i][0][:at].strip(MARKUP)
    ]
    found = found or [i for i, at in enumerate(starts) if at is not None]
    if not found:
        raise ReplyError(f"no line begins with {prefix!r}", text)
    end = next((i for i in range(found[0], len(pieces)) if stop.match(pieces[i][0])), len(pieces))
    complete = [i for i in found if i < end and not pieces[i][1]]
    if not complete:
        raise ReplyError(f"a draft interrupts the line that begins with {prefix!r}", text)
    said = _said(pieces[complete[-1]][0], starts[complete[-1]] + len(prefix))
    if not re.search(r"\w", said):
        raise ReplyError(f"nothing follows {prefix!r}", text)
    return said


def last_object(text, key):
    """Return the last complete JSON object in a reply that has a given key.

    Parameters
    ----------
    text : str
        Reply, which may contain drafts, fences or preambles around the answer.
    key : str
        Required key of the object.

    Returns
    -------
    dict
        Decoded object.

    Raises
    ------
    ReplyError
        If there is no such object, or it is incomplete or nested more than 20 levels deep.
    """
    answer, n_objects = None, 0
    for span in _objects(text, without_drafts(text)):
        found = _decoded(span)
        n_objects += found is not None
        if found is None and f'"{key}"' in span:
            # Do not fall back to an earlier object, which would be a draft of this one.
            raise ReplyError(f'the JSON object with the key "{key}" is malformed', text)
        answer = found if found is not None and key in found else answer
    if answer is not None:
        return answer
    if n_objects:
        raise ReplyError(f'no JSON object has the key "{key}"', text)
    if "{" in text:
        raise ReplyError("no JSON object is complete: it is malformed, cut off or in a draft", text)
    raise ReplyError("the reply contains no JSON object", text)


def prefix_at(line, prefix):
    """Return the first position of a prefix as a separate word in a line, or None."""
    found = re.search(rf"(?<!\w){re.escape(prefix)}", line, re.IGNORECASE)
    return found and found.start()


def _said(line, start):
    said = line[start:].strip(" \t*")
    return said.rstrip("`") if line.lstrip(" \t*").startswith("`") else said


def _pieces(text):
    """Yield the pieces of each line between drafts, and whether a draft cuts the piece off."""
    for line in text.splitlines():
        pieces = line.rstrip(CUT).split(GAP)
        for i, piece in enumerate(pieces):
            follows = any(later.strip() for later in pieces[i + 1 :])
            yield piece, follows or line.endswith(CUT)


def _objects(reply, text):
    """Yield the text of each outermost JSON object, from opening to closing brace."""
    depth, start, at = 0, 0, text.find("{")
    while at >= 0:
        if text[at] == '"':
            string = STRING.match(text, at)
            if string is None:
                return
            at = string.end() - 1
        else:
            start = at if depth == 0 else start
            depth += 1 if text[at] == "{" else -1
        if depth > MOST_NESTED:
            raise ReplyError(f"a JSON object is nested more than {MOST_NESTED} levels deep", reply)
        if depth == 0:
            yield text[start : at + 1]
            at = text.find("{", at + 1)
        else:
            mark = MARK.search(text, at + 1)
            at = -1 if mark is None else mark.start()


def _decoded(span):
    """Return the decoded object, or None if the text is malformed."""
    try:
        return json.loads(span)
    except (ValueError, RecursionError):
        # RecursionError: nested lists. ValueError: also integers with too many digits.
        return None
