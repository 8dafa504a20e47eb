"""Describe weighted lists of tokens by a common name and a few examples."""

from skdict.interpretation.explainers._quotes import joined
from skdict.interpretation.explainers._surface import COVERAGE, common_name, mark

# Lists of more tokens are described by examples.
MOST_LISTED = 4
# Examples of tokens with a common name.
MOST_NAMED = 3
# Examples that begin with the same letters add little to one another.
STEM = 4


def listing(exact, members, quoter, style, word="and", singular=False):
    """Describe tokens, such as ``"guilty" and "innocent"`` or ``years such as "1987"``.

    Parameters
    ----------
    exact : dict of (tuple of int) to float
        Weights of runs of tokens that are named one by one.
    members : dict of (tuple of int) to float
        Weights of tokens that are examples of a larger class.
    quoter : Quoter
        Quotes tokens.
    style : Style
        Number of examples and length of quotes.
    word : {"and", "or"}, default="and"
        Conjunction.
    singular : bool, default=False
        If True, name single marks, such as "a comma".

    Returns
    -------
    str
        Description, the heaviest tokens first.
    """
    weights = dict(members)
    for ids, weight in exact.items():
        weights[ids] = weights.get(ids, 0) + weight
    shown = _distinct(weights, quoter, lambda ids: quoter.quote(ids, singular, style.length))
    all_marks = all(mark(quoter.text(ids)) for ids in shown)
    if len(shown) <= MOST_LISTED and (all_marks or not members):
        return _full_list(list(shown.values()), style.n_quoted, word)
    if len(shown) == 1:
        kind = _generic(weights, quoter)[0].replace("parts of words", "word parts")
        return f"{next(iter(shown.values()))} {word} similar {kind}"
    named = common_name(_by_text(weights, quoter))
    if named is None:
        kind, link = _generic(weights, quoter)
        return f"{kind} {link} {joined(_examples(shown, style.n_quoted), word)}"
    name, covered = named
    shown = {ids: quote for ids, quote in shown.items() if quoter.text(ids) in covered}
    comma = "," if '"' in name else ""
    examples = _examples(shown, min(style.n_quoted, MOST_NAMED))
    return f"{name}{comma} such as {joined(examples, word)}"


def is_by_example(phrase):
    """Return True if a description gives examples, so that a comma must follow it."""
    return " such as " in phrase or " like " in phrase


def _distinct(weights, quoter, quote):
    """Return quotes by token, heaviest first, one for all spellings that differ in case only."""
    totals, first = {}, {}
    for ids in sorted(weights, key=lambda ids: -weights[ids]):
        key = quote(ids).casefold()
        totals[key] = totals.get(key, 0) + weights[ids]
        first.setdefault(key, ids)
    return {first[key]: quote(first[key]) for key in sorted(totals, key=lambda key: -totals[key])}


def _full_list(quotes, n_quoted, word):
    rest = len(quotes) - n_quoted
    # "1 other token" is as long as a quote.
    if rest <= 1:
        return joined(quotes, word)
    return joined([*quotes[:n_quoted], f"{rest} other tokens"], word)


def _examples(shown, n):
    """Return the first quotes, skipping tokens that begin like an earlier one if others remain."""
    chosen, stems = [], set()
    for quote in shown.values():
        if len(chosen) == n:
            return chosen
        stem = quote.strip('"-').casefold()[:STEM]
        if len(stem) < STEM - 1 or not any(_share_a_stem(stem, other) for other in stems):
            chosen.append(quote)
            stems.add(stem)
    chosen += [quote for quote in shown.values() if quote not in chosen]
    return chosen[:n]


def _share_a_stem(a, b):
    """Return True if one beginning, of three letters or more, starts the other."""
    shorter, longer = sorted((a, b), key=len)
    return len(shorter) >= STEM - 1 and longer.startswith(shorter)


def _by_text(weights, quoter):
    texts = {}
    for ids, weight in weights.items():
        text = quoter.text(ids)
        texts[text] = texts.get(text, 0) + weight
    return texts


def _generic(weights, quoter):
    """Return what tokens without a common name are called, and the link to examples of them."""
    needed = COVERAGE * sum(weights.values())
    parts = {ids for ids in weights if quoter.is_part(ids)}
    if sum(weights[ids] for ids in parts) >= needed:
        return "parts of words", "such as"
    words = [ids for ids in weights if ids not in parts and _is_word(quoter.text(ids))]
    if sum(weights[ids] for ids in words) >= needed:
        return "words", "like"
    return "tokens", "such as"


def _is_word(text):
    return any(c.isalpha() for c in text) and not text.startswith("<")
