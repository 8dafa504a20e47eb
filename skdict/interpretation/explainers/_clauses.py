"""Sort the terms of an explanation into conditions on the token and on its context."""

from typing import NamedTuple

from skdict.interpretation.explainers._listing import MOST_LISTED
from skdict.interpretation.explainers._spellings import SPELLINGS
from skdict.interpretation.explainers._terms import Term

# Fractions of the largest weight. Terms below the first are left out of the sentence. A negative
# term above the second is an exception if it leaves at most the third of the prediction.
WEAKEST, STRONG, SILENT = 0.2, 0.5, 0.1
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
    strong = [c for c in clauses if c.weight < 0 and -c.weight >= STRONG * largest]
    exceptions = [c for c in strong if c.weight + _general(c, clauses) <= SILENT * largest]
    return _without_special_cases(stated), [c for c in exceptions if _is_relevant(c, stated)]


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
    return [c for c in clauses if c.weight > _general(c, clauses) / 2]


def _general(clause, clauses):
    """Return the total weight of the other clauses that hold wherever one does."""
    conditions = clause.tokens + clause.contexts
    return sum(
        c.weight
        for c in clauses
        if c is not clause
        and all(any(_implies(own, g) for own in conditions) for g in c.tokens + c.contexts)
    )


def _implies(special, general):
    """Return True if a condition holds only where another one does."""
    kinds = special.kind, general.kind
    if kinds == ("previous", "previous"):
        return special.value[-len(general.value) :] == general.value
    if kinds == ("previous", "near"):
        return special.value[-1] == general.value
    if kinds == ("previous", "previous class"):
        return special.value[-1] in general.value
    if kinds in (("suffix", "class"), ("class", "class"), ("previous class", "previous class")):
        return set(special.value) <= set(general.value)
    return special == general


def _is_relevant(exception, stated):
    """Return True if a stated clause could hold where an exception does."""
    if not exception.tokens or not stated:
        return True
    return any(
        not c.tokens or c.tokens == exception.tokens or any(t.kind != "suffix" for t in c.tokens)
        for c in stated
    )


class Tokens(NamedTuple):
    """Tokens described by clauses.

    Parameters
    ----------
    exact : dict of (tuple of int) to float
        Weights of tokens named one by one, which are those of suffixes and of small classes.
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
        others = [frozenset(c.value) for c in sets[1:]]
        common = [i for i in sets[0].value if all(i in ids for ids in others)]
        if any(c.kind == "suffix" for c in sets):
            shares = dict.fromkeys(common, 1.0)
        else:
            common = [i for i in common if _is_spelt(quoter.text((i,)), spellings)]
            shares = strength.shares(common)
        kind = found.exact if len(common) <= MOST_LISTED else found.members
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

    def shares(self, ids):
        """Return totals relative to the largest, largest first, for tokens with positive totals."""
        if self._totals is None:
            return dict.fromkeys(ids, 1.0)
        found = {i: self._totals.get(i, 0) for i in ids}
        largest = max(found.values(), default=0)
        ranked = sorted((i for i in found if found[i] > 0), key=lambda i: -found[i])
        return {i: float(found[i] / largest) for i in ranked}
