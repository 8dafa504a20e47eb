"""Write the sentence of a rule-based explanation."""

from typing import NamedTuple

from skdict.interpretation.explainers._clauses import Strength, clauses_of, tokens_of
from skdict.interpretation.explainers._contexts import contexts_phrase, spelling_noun
from skdict.interpretation.explainers._listing import is_by_example, listing
from skdict.interpretation.explainers._quotes import Quoter, joined
from skdict.interpretation.explainers._terms import Term

MOST_CHARACTERS = 140
NOTHING = "fires on nothing seen"
REPEATED = Term("state", "repeated")


class Style(NamedTuple):
    """Amount of detail in a sentence.

    Parameters
    ----------
    n_parts : int
        Maximum number of parts joined by "also".
    n_quoted : int
        Maximum number of quotes in a list.
    exceptions : bool
        If True, state exceptions.
    length : int
        Maximum number of characters of a quote.
    after : str, default="after"
        Preposition for preceding tokens.
    """

    n_parts: int
    n_quoted: int
    exceptions: bool
    length: int
    after: str = "after"


# From the most detailed style to the one that always fits.
STYLES = [
    Style(3, 4, True, 24),
    Style(3, 3, True, 24),
    Style(2, 3, True, 24),
    Style(2, 2, True, 24),
    Style(1, 3, True, 24),
    Style(1, 2, True, 24),
    Style(1, 2, False, 24),
    Style(1, 1, False, 10),
]


def sentence(rules, vocabulary, strength=None, before=None):
    """Write what a feature fires on as a short sentence.

    The sentence states the terms with at least a fifth of the largest weight. Tokens are described
    by a few of them and by what their spellings have in common. Terms that hold together share
    their tokens or their context. Negative terms become exceptions if they have at least half of
    the largest weight.

    Parameters
    ----------
    rules : sequence of (Term, float)
        Terms and weights, whose weighted sum predicts the feature's codes.
    vocabulary : sequence of str or None
        Text of each token. Without a vocabulary, tokens are quoted as ``<id>``.
    strength : dict of int to float or pair of array-like, optional
        Total code of the feature on each token; or token ids and totals. Only members of a class
        with a positive total are quoted, the largest first. By default, all members are quoted in
        order.
    before : dict of int to float or pair of array-like, optional
        Total code of the feature on the tokens directly after each token. It ranks the members of
        classes of preceding tokens in the same way.

    Returns
    -------
    str
        Sentence of at most 140 characters that starts with "fires on".

    Examples
    --------
    >>> from skdict.interpretation.explainers import Term
    >>> rules = [(Term("suffix", (0, 1)), 2.0), (Term("suffix", (0, 2)), 1.5)]
    >>> sentence(rules, [" in", " 19", " 18"])
    'fires on "19" or "18" after "in"'
    """
    quoter, strength, before = Quoter(vocabulary), Strength(strength), Strength(before)
    stated, exceptions = clauses_of(rules)
    # A class on which the feature never fires says nothing, unless there is nothing else to say.
    seen = _with_tokens(stated, quoter, strength)
    if not seen:
        strength = Strength(None)
        seen = _with_tokens(stated, quoter, strength)
    exceptions = _with_tokens(exceptions, quoter, Strength(None))
    if not seen and not exceptions:
        return NOTHING
    writer = _Writer(quoter, strength, before)
    texts = (f"fires on {writer.write(seen, exceptions, style)}" for style in STYLES)
    return next(text for text in texts if len(text) <= MOST_CHARACTERS)


def _with_tokens(clauses, quoter, strength):
    """Leave out clauses whose conditions on the token hold for no token."""
    return [c for c in clauses if not c.tokens or any(tokens_of([c], quoter, strength))]


class _Writer:
    """Writes clauses in a given style."""

    def __init__(self, quoter, strength, before):
        self._quoter, self._strength, self._before = quoter, strength, before

    def write(self, stated, exceptions, style):
        """Return the sentence without its first words."""
        parts = _parts(stated)[: style.n_parts]
        if not parts:
            return f"tokens other than {self._negative(exceptions, None, style)}"
        said = self._positive(parts, style)
        if not exceptions or not style.exceptions:
            return said
        shared = self._tokens(parts[0], style, "or") if len(parts) == 1 else None
        if any(condition.kind == "near" for c in stated for condition in c.contexts):
            style = style._replace(after="directly after")
        return f"{said}, but not {self._negative(exceptions, shared, style)}"

    def _positive(self, parts, style):
        first, *others = parts
        text, tokens = self._part(first, style), self._tokens(first, style, "or")
        most, also = [], []
        for part in others:
            own = self._tokens(part, style, "or")
            if _extends(part, first) and not any(c.contexts for c in first):
                most.append(self._part(part, style, bare=own == tokens))
            else:
                also.append(self._part(part, style, bare=not own))
        for adverb, said in (("most of all", most), ("also", also)):
            text += f", {adverb} {', and '.join(said)}" if said else ""
        return text

    def _negative(self, exceptions, shared, style):
        """Describe exceptions; `shared` are the tokens that need not be repeated."""
        writer = _Writer(self._quoter, Strength(None), self._before)
        said = []
        for part in _parts(exceptions)[: style.n_parts]:
            own = writer._tokens(part, style, "or")
            bare = not own or (own == shared and all(c.contexts for c in part))
            said.append(writer._part(part, style, bare=bare, word="or"))
        return ", or ".join(said)

    def _part(self, clauses, style, bare=False, word="and"):
        """Describe clauses that share their tokens or their context."""
        contexts = {c.contexts: c.weight for c in reversed(clauses) if c.contexts}
        contexts = dict(sorted(contexts.items(), key=lambda item: -abs(item[1])))
        repeated = bool(contexts) and all(REPEATED in own for own in contexts) and not bare
        if repeated:
            contexts = {tuple(c for c in own if c != REPEATED): w for own, w in contexts.items()}
            contexts.pop((), None)
        where = contexts and contexts_phrase(contexts, self._quoter, style, self._before)
        if bare:
            return where
        tokens = self._tokens(clauses, style, "or" if where else word)
        if repeated:
            tokens = f"the second and later mentions of {tokens}" if tokens else "repeated tokens"
        tokens = tokens or "tokens"
        if not where:
            return tokens
        return f"{tokens}, {where}" if is_by_example(tokens) else f"{tokens} {where}"

    def _tokens(self, clauses, style, word):
        sized = [c._replace(weight=abs(c.weight)) for c in clauses if c.tokens]
        found = tokens_of(sized, self._quoter, self._strength)
        said = [spelling_noun(names) for names in found.spellings][: style.n_quoted]
        if found.exact or found.members:
            said.insert(0, listing(found.exact, found.members, self._quoter, style, word))
        return joined(said, word) if said else ""


def _parts(clauses):
    """Group clauses by what they share, the heaviest group first."""
    alone = [c for c in clauses if not c.contexts]
    others = [c for c in clauses if c.contexts]
    groups = min(
        _grouped(others, "contexts", "tokens"), _grouped(others, "tokens", "contexts"), key=len
    )
    parts = sorted(groups, key=lambda part: -max(abs(c.weight) for c in part))
    if alone:
        # Before groups of the same tokens, which are then introduced by "most of all".
        after = [
            i for i, part in enumerate(parts) if _extends(part, alone) or _lighter(part, alone)
        ]
        parts.insert(min(after, default=len(parts)), alone)
    return parts


def _extends(part, alone):
    return {c.tokens for c in part} <= {c.tokens for c in alone}


def _lighter(part, other):
    return max(abs(c.weight) for c in part) <= max(abs(c.weight) for c in other)


def _grouped(clauses, shared, free):
    """Group clauses with the same value of a field, and groups with the same set of the other."""
    groups, merged = {}, {}
    for clause in clauses:
        groups.setdefault(getattr(clause, shared), []).append(clause)
    for own in groups.values():
        merged.setdefault(frozenset(getattr(c, free) for c in own), []).extend(own)
    return list(merged.values())
