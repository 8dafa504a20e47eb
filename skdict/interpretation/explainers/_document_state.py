"""State of a document at each token: inside quotes, start of a sentence, and so on."""

import numpy as np

SENTENCE_ENDS, CLOSERS = ".!?", "\"'\u201d\u2019)]"
OPENING, CLOSING = "([{", ")]}"
BULLETS = ("-", "*", "\u2022", "\u2013")
# Number of tokens that count as the start of a sentence.
START = 3


def document_states(tokens):
    """Return where each state holds.

    Parameters
    ----------
    tokens : TokenBlock
        Tokens of whole documents. Without a vocabulary, only "repeated" is known.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_tokens,)
        "repeated": the token occurred earlier in the document. "in quotes", "in brackets": an
        opening mark before the token is not closed before it. "at the start of a sentence": the
        token is one of its first three. "at the start of a paragraph": the token is in its first
        sentence. "in a list": the line starts with a bullet or a number.
    """
    starts, _ = document_ranges(tokens.documents)
    found = {"repeated": _repeated(tokens)}
    if tokens.vocabulary is None:
        return found
    used, piece_of = np.unique(tokens.token_ids, return_inverse=True)
    pieces = [tokens.vocabulary[i] for i in used]

    def each(function):
        return np.array([function(piece) for piece in pieces])[piece_of]

    ends_sentence = each(_ends_sentence)
    new_line = each(lambda piece: "\n" in piece)
    since_sentence = _since(ends_sentence | new_line, starts)
    sentences = _before(ends_sentence.astype(np.int64), starts)
    in_paragraph = sentences - sentences[_last(new_line, starts)]
    quotes = _before(each(lambda piece: piece.count('"')), starts)
    curly = _before(each(lambda piece: piece.count("“") - piece.count("”")), starts)
    brackets = each(lambda piece: sum(map(piece.count, OPENING)) - sum(map(piece.count, CLOSING)))
    bullet = each(lambda piece: piece.strip() in BULLETS or piece.strip().rstrip(".").isdigit())
    line = _last(new_line, starts)
    return found | {
        "in quotes": (quotes % 2 == 1) | (curly > 0),
        "in brackets": _before(brackets, starts) > 0,
        "at the start of a sentence": since_sentence < START,
        "at the start of a paragraph": in_paragraph == 0,
        "in a list": bullet[line] & ((line == starts) | new_line[np.maximum(line - 1, 0)]),
    }


def _ends_sentence(piece):
    return piece.strip().rstrip(CLOSERS).endswith(tuple(SENTENCE_ENDS))


def document_ranges(documents):
    """Return, for each row, the first row of its document and the row after its last one."""
    first = np.flatnonzero(np.diff(documents, prepend=documents[:1] - 1))
    ends = np.append(first[1:], len(documents))
    sizes = ends - first
    return np.repeat(first, sizes), np.repeat(ends, sizes)


def _before(counts, starts):
    """Return the sum of counts over the earlier tokens of the document."""
    total = np.cumsum(counts) - counts
    return total - total[starts]


def _last(marked, starts):
    """Return the row after the last earlier marked row of the document, or its first row."""
    rows = np.arange(len(marked))
    after = np.maximum.accumulate(np.where(np.append(False, marked[:-1]), rows, 0))
    return np.maximum(after, starts)


def _since(marked, starts):
    """Return the number of tokens since the last earlier marked row of the document."""
    return np.arange(len(marked)) - _last(marked, starts)


def _repeated(tokens):
    """Return a mask of the tokens that occurred earlier in their document."""
    n_types = int(tokens.token_ids.max(initial=0)) + 1
    _, document = np.unique(tokens.documents, return_inverse=True)
    _, first = np.unique(document * n_types + tokens.token_ids, return_index=True)
    repeated = np.ones(len(tokens), dtype=bool)
    repeated[first] = False
    return repeated
