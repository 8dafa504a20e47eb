"""Describe the contexts in which a feature fires."""

from skdict.interpretation.explainers._conditions import N_BUCKETS
from skdict.interpretation.explainers._listing import MOST_LISTED, listing
from skdict.interpretation.explainers._quotes import joined
from skdict.interpretation.explainers._spellings import ENDINGS

# Plural and singular of spellings; others are written as "tokens with ...".
SPELLING_NOUNS = {
    "a leading space": ("words after a space", "a space and a word"),
    "a capital": ("capitalised words", "a capitalised word"),
    "capitals only": ("words in capitals", "a word in capitals"),
    "a digit": ("numbers", "a number"),
    "four digits": ("four-digit numbers", "a four-digit number"),
    "punctuation": ("punctuation", "punctuation"),
    "a line break": ("line breaks", "a line break"),
    "a single character": ("single characters", "a single character"),
    "no leading space": ("parts of words", "a part of a word"),
    "letters of another script": (
        "non-Latin letters",
        "a non-Latin letter",
    ),
} | {f"the ending -{e}": (f'words ending in "-{e}"', f'a word ending in "-{e}"') for e in ENDINGS}
# Phrases for states; others are written as they are.
STATE_PHRASES = {"repeated": "when repeated", "in quotes": "in quotation marks"}


def contexts_phrase(contexts, quoter, style, before):
    """Describe alternative contexts, such as ``after "in" or "on"``.

    Parameters
    ----------
    contexts : dict of (tuple of Term) to float
        Weights of conditions on the context that hold together.
    quoter : Quoter
        Quotes tokens.
    style : Style
        Number of examples and length of quotes.
    before : Strength
        Total code on the tokens that follow each token, which ranks the members of a class.

    Returns
    -------
    str
    """
    single, together = {}, []
    for conditions, weight in contexts.items():
        weight = abs(weight)
        if len(conditions) == 1:
            single.setdefault(_family(conditions[0]), []).append((conditions[0], weight))
        else:
            together.append([(c, weight) for c in conditions[: style.n_quoted]])
    say = {"after": _after, "near": _near, "topic": _topic, "position": _positions}
    phrases = [
        say.get(family, _states)(own, quoter, style, before) for family, own in single.items()
    ]
    for conditions in together:
        each = [
            say.get(_family(c), _states)([(c, w)], quoter, style, before) for c, w in conditions
        ]
        phrases.append(" and ".join(each))
    return ", or ".join(phrases[: style.n_quoted])


def _family(condition):
    after = ("previous", "previous class", "previous spelling")
    return "after" if condition.kind in after else condition.kind


def spelling_noun(names, singular=False):
    """Return what tokens with some spellings are called."""
    nouns = [
        SPELLING_NOUNS.get(name, (f"tokens with {name}", f"a token with {name}"))[singular]
        for name in names
    ]
    return " that are also ".join(nouns)


def _after(weighted, quoter, style, before):
    exact, members, nouns = {}, {}, []
    for (kind, value), weight in weighted:
        if kind == "previous":
            exact[value] = exact.get(value, 0) + weight
        elif kind == "previous class":
            shares = before.shares(value) or dict.fromkeys(value, 1.0)
            kind = exact if len(value) <= MOST_LISTED else members
            for i, share in shares.items():
                kind[(i,)] = kind.get((i,), 0) + weight * share
        else:
            nouns.append(spelling_noun((value,), singular=True))
    if exact or members:
        nouns.insert(0, listing(exact, members, quoter, style, "or", singular=True))
    return f"{style.after} {joined(nouns, 'or')}"


def _near(weighted, quoter, style, before):
    exact = {(term.value,): weight for term, weight in weighted}
    return f"soon after {listing(exact, {}, quoter, style, 'or', singular=True)}"


def _topic(weighted, quoter, style, before):
    members = {(i,): weight for term, weight in weighted for i in term.value}
    return f"in texts with {listing({}, members, quoter, style)}"


def _positions(weighted, quoter, style, before):
    buckets = sorted(term.value for term, _ in weighted)
    runs = [[buckets[0], buckets[0]]]
    for bucket in buckets[1:]:
        if bucket == runs[-1][1] + 1:
            runs[-1][1] = bucket
        else:
            runs.append([bucket, bucket])
    return joined([_span(*run) for run in runs[: style.n_quoted]], "or")


def _span(first, last):
    """Describe positions of consecutive powers of two."""
    if last == N_BUCKETS - 1:
        return f"from position {2**first - 1} of a text on"
    if last == 0:
        return "at the start of a text"
    if first == 0:
        return f"among the first {2 ** (last + 1) - 1} tokens of a text"
    return f"at positions {2**first - 1} to {2 ** (last + 1) - 2} of a text"


def _states(weighted, quoter, style, before):
    return joined([STATE_PHRASES.get(term.value, term.value) for term, _ in weighted], "or")
