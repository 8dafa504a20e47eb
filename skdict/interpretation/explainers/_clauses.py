"""Sort the terms of an explanation into conditions on the token and on its context."""

from typing import NamedTuple

from skdict.interpretation.explainers._terms import SPELLINGS, Term

# Fraction of the largest weight below which a term is left out of the sentence, and above which a
# negative term is an exception.
WEAKEST, EXCEPTION = 0.2, 0.5
TOKEN_KINDS = ("suffix", "class", "spelling")


class Clause(NamedTuple):
    """Conditions that hold together, and the weight of their product.

    Parameters
    ----------
    tokens : tuple of Term
        Conditions on the current token.
    contexts : tuple of Term
        Conditions on its context. The value of "previous" is a tuple of the preceding tokens.
    weight : float
        Weight.
    """

    tokens: tuple
    contexts: tuple
    weight: float


def clauses_of(rules):
    """Return the clauses that a sentence states and its exceptions, the heaviest first.

    Parameters
    ----------
    rules : sequence of (Term, float)
        Terms and weights.

    Returns
    -------
    (list of Clause, list of Clause)
    """
    clauses = []
    for term, weight in sorted(rules, key=lambda rule: -abs(rule[1])):
        conditions = tuple(dict.fromkeys(_conditions(term)))
        tokens = tuple(c for c in conditions if c.kind in TOKEN_KINDS)
        contexts = tuple(c for c in conditions if c.kind not in TOKEN_KINDS)
        clauses.append(Clause(tokens, contexts, float(weight)))
    largest = max((abs(c.weight) for c in clauses), default=0)
    stated = [c for c in clauses if c.weight > 0 and c.weight >= WEAKEST * largest]
    exceptions = [c for c in clauses if c.weight < 0 and -c.weight >= EXCEPTION * largest]
    return _without_special_cases(stated), exceptions


def _conditions(term):
    kind, value = term
    if kind == "both":
        for part in value:
            yield from _conditions(Term(*part))
    elif kind == "suffix":
        yield Term("suffix", value[-1:])
        if len(value) > 1:
            yield Term("previous", tuple(value[:-1]))
    else:
        yield Term("previous", (value,)) if kind == "previous" else term


def _without_special_cases(clauses):
    """Remove clauses that add little to the weight of a more general one."""
    kept = []
    for clause in clauses:
        general = sum(c.weight for c in clauses if c is not clause and _implies(clause, c))
        if clause.weight > general / 2:
            kept.append(clause)
    return kept


def _implies(special, general):
    """Return True if one clause holds only where another one does."""
    return set(general.tokens) <= set(special.tokens) and all(
        any(_context_implies(own, context) for own in special.contexts)
        for context in general.contexts
    )


def _context_implies(special, general):
    if special.kind == general.kind == "previous":
        return special.value[-len(general.value) :] == general.value
    return special == general or (special.kind, general.kind, special.value) == (
        "previous", "near", (general.value,)
    )  # fmt: skip


class Tokens(NamedTuple):
    """Tokens described by clauses.

    Parameters
    ----------
    exact : dict of (tuple of int) to float
        Weights of tokens named one by one.
    members : dict of (tuple of int) to float
        Weights of members of classes.
    spellings : dict of (tuple of str) to float
        Weights of names of spellings that hold together.
    """

    exact: dict
    members: dict
    spellings: dict


def tokens_of(clauses, quoter, strength):
    """Collect the tokens of some clauses.

    Parameters
    ----------
    clauses : list of Clause
        Clauses with conditions on the token.
    quoter : Quoter
        Provides the texts of tokens.
    strength : Strength
        Total code on each token, which ranks the members of a class.

    Returns
    -------
    Tokens
    """
    found = Tokens({}, {}, {})
    for conditions, _, weight in clauses:
        spellings = tuple(c.value for c in conditions if c.kind == "spelling")
        sets = [c for c in conditions if c.kind != "spelling"]
        if not sets:
            found.spellings[spellings] = weight
            continue
        common = [i for i in sets[0].value if all(i in c.value for c in sets)]
        exact = any(c.kind == "suffix" for c in sets)
        if not exact:
            common = [i for i in common if _is_spelt(quoter.text((i,)), spellings)]
        shares = dict.fromkeys(common, 1.0) if exact else strength.shares(common)
        kind = found.exact if exact else found.members
        for i, share in shares.items():
            kind[(i,)] = kind.get((i,), 0) + weight * share
    return found


def _is_spelt(text, spellings):
    return all(SPELLINGS[name](text) for name in spellings)


class Strength:
    """Total code of a feature on each token.

    Parameters
    ----------
    totals : dict of int to float, pair of array-like, or None
        Total code by token id, or ids and totals. None if unknown, which ranks tokens in order.
    """

    def __init__(self, totals):
        if totals is not None and not hasattr(totals, "get"):
            ids, values = totals
            totals = dict(zip(map(int, ids), map(float, values), strict=True))
        self._totals = totals

    def fires(self, term):
        """Return False for a class on whose members the feature never fires."""
        return term.kind != "class" or bool(self.shares(term.value))

    def shares(self, ids):
        """Return totals relative to the largest, largest first, for tokens with positive totals."""
        if self._totals is None:
            return dict.fromkeys(ids, 1.0)
        found = {i: self._totals.get(i, 0) for i in ids}
        largest = max(found.values(), default=0)
        ranked = sorted((i for i in found if found[i] > 0), key=lambda i: -found[i])
        return {i: float(found[i] / largest) for i in ranked}
