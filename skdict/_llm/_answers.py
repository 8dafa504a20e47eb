"""The last complete answer of a reply: a line that begins as was asked, or a JSON object."""

import json
import re

from skdict._llm._drafts import CUT, GAP, without_drafts
from skdict._llm._errors import ReplyError

# What stands between a brace and the one that closes it: strings, in which braces do not count.
MARK, STRING = re.compile(r'["{}]'), re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
MARKUP = " \t*_`>#-"
MOST_NESTED = 20


def last_line(text, prefix, stop):
    """Return what follows a prefix on the last line that begins with it.

    Parameters
    ----------
    text : str
        A reply, with drafts, fences or preambles around the answer.
    prefix : str
        How the line begins, in upper or lower case; where no line does, it may stand within one.
    stop : Pattern
        Beginning of the next question, which models that continue a text make up behind their
        answer.

    Returns
    -------
    str

    Raises
    ------
    ReplyError
        If no line has it, a draft interrupts the line, or no word follows.
    """
    # Clients that begin the reply put the prefix before a draft, too.
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
    """Return the last complete JSON object of a reply that has a key.

    Parameters
    ----------
    text : str
        A reply, with drafts, fences or preambles around the answer.
    key : str
        The key that the answer has.

    Returns
    -------
    dict

    Raises
    ------
    ReplyError
        If there is no such object, or it is cut off or nested more than 20 deep.
    """
    answer, n_objects = None, 0
    for span in _objects(text, without_drafts(text)):
        found = _decoded(span)
        n_objects += found is not None
        if found is None and f'"{key}"' in span:
            # An earlier one would be a draft of it.
            raise ReplyError(f'the JSON object with the key "{key}" is broken', text)
        answer = found if found is not None and key in found else answer
    if answer is not None:
        return answer
    if n_objects:
        raise ReplyError(f'no JSON object has the key "{key}"', text)
    if "{" in text:
        raise ReplyError("no JSON object is complete: it is broken, cut off or in a draft", text)
    raise ReplyError("there is no JSON object", text)


def prefix_at(line, prefix):
    """Return where a prefix first stands in a line as a word of its own, or None."""
    found = re.search(rf"(?<!\w){re.escape(prefix)}", line, re.IGNORECASE)
    return found and found.start()


def _said(line, start):
    said = line[start:].strip(" \t*")
    return said.rstrip("`") if line.lstrip(" \t*").startswith("`") else said


def _pieces(text):
    """Yield the pieces of lines between drafts, and whether a draft cuts each off."""
    for line in text.splitlines():
        pieces = line.rstrip(CUT).split(GAP)
        for i, piece in enumerate(pieces):
            follows = any(later.strip() for later in pieces[i + 1 :])
            yield piece, follows or line.endswith(CUT)


def _objects(reply, text):
    """Yield the texts from each outermost opening brace to the one that closes it."""
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
            raise ReplyError(f"a JSON object is nested more than {MOST_NESTED} deep", reply)
        if depth == 0:
            yield text[start : at + 1]
            at = text.find("{", at + 1)
        else:
            mark = MARK.search(text, at + 1)
            at = -1 if mark is None else mark.start()


def _decoded(span):
    """Return the object of a text, or None if it is broken."""
    try:
        return json.loads(span)
    except (ValueError, RecursionError):
        # Lists may be nested, too, and numbers have too many digits.
        return None
