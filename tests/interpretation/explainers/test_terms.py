"""Terms hold where a slow reading of the document says so."""

import numpy as np
import pytest

from skdict.inspection.evidence import TokenBlock
from skdict.interpretation.explainers._conditions import DECAY, TOPIC_WINDOW, WINDOW
from skdict.interpretation.explainers._document_state import document_states
from skdict.interpretation.explainers._spellings import SPELLINGS
from skdict.interpretation.explainers._terms import Term, TermMatrix
from tests.interpretation.planted import VOCABULARY, text

PIECES = [" The", " cat", " said", ' "', "(", ")", ".", "\n", " 12", " cats", "-", " Paris", "!"]


def holds(term, ids, positions, row, pieces):
    """Return how strongly a term holds at a row of one document, the slow way."""
    kind, value = term
    before = ids[:row]
    if kind == "both":
        return np.prod([holds(side, ids, positions, row, pieces) for side in value])
    if kind == "suffix":
        return float(row + 1 >= len(value) and tuple(ids[row + 1 - len(value) : row + 1]) == value)
    if kind == "class":
        return float(ids[row] in value)
    if kind == "spelling":
        return float(SPELLINGS[value](pieces[ids[row]]))
    if kind.startswith("previous"):
        about = {"previous": "suffix", "previous class": "class", "previous spelling": "spelling"}
        value = (value,) if kind == "previous" else value
        return row and holds(Term(about[kind], value), ids, positions, row - 1, pieces)
    if kind == "near":
        return sum(DECAY**o for o in range(1, WINDOW + 1) if row >= o and ids[row - o] == value)
    if kind == "topic":
        n = sum(i in value for i in before[-TOPIC_WINDOW:])
        return n / (n + 1)
    assert kind == "position"
    return float(min(int(np.log2(positions[row] + 1)), 10) == value)


TERMS = [Term("suffix", v) for v in [(1,), (2, 1), (0, 2, 1), (3, 3)]]
TERMS += [Term("near", 4), Term("near", 0), Term("previous", 2), Term("previous", 9)]
TERMS += [Term("class", (0, 3)), Term("class", (3, 4, 900)), Term("previous class", (1, 3))]
TERMS += [Term("topic", (2,)), Term("topic", (2, 4)), Term("previous spelling", "a digit")]
TERMS += [Term("position", 0), Term("position", 3), Term("spelling", "a digit")]
TERMS += [
    Term("both", (Term("class", (0, 3)), Term("previous", 2))),
    Term("both", (Term("suffix", (4,)), Term("topic", (2, 4)))),
    Term("both", (Term("spelling", "a leading space"), Term("near", 1))),
]


@pytest.mark.parametrize("length", [1, 2, 40, 300])
@pytest.mark.parametrize("seed", range(3))
def test_terms_hold_where_they_say(length, seed):
    documents, positions, ids = text(3, length, 5)
    # Documents need not be in the order of their numbers.
    documents = documents[::-1].copy()
    terms = [TERMS[i] for i in np.random.default_rng(seed).permutation(len(TERMS))]
    tokens = TokenBlock(documents, positions, ids, VOCABULARY)
    found = TermMatrix(terms).transform(tokens).toarray()
    for row in range(3 * length):
        start = length * (row // length)
        local = ids[start : start + length].tolist(), positions[start : start + length]
        expected = [holds(term, *local, row - start, VOCABULARY) for term in terms]
        assert found[row] == pytest.approx(expected, rel=1e-6)


def test_a_matrix_without_terms_or_tokens_is_empty():
    documents, positions, ids = text(3, 10, 5)
    assert TermMatrix([]).transform(TokenBlock(documents, positions, ids)).shape == (30, 0)
    none = TokenBlock([], [], [], VOCABULARY)
    assert TermMatrix(TERMS).transform(none).shape == (0, len(TERMS))


def states_slowly(pieces):
    """Return the states at each token of one document, read from left to right."""
    found = {name: [] for name in document_states(TokenBlock([0], [0], [0], ["a"]))}
    quotes = brackets = since = sentences = 0
    line_start, bullet, seen = True, False, set()
    for piece in pieces:
        if line_start:
            bullet = piece.strip() in ("-", "*") or piece.strip().isdigit()
        found["repeated"].append(piece in seen)
        found["in quotes"].append(quotes % 2 == 1)
        found["in brackets"].append(brackets > 0)
        found["at the start of a sentence"].append(since < 3)
        found["at the start of a paragraph"].append(sentences == 0)
        found["in a list"].append(bullet)
        seen.add(piece)
        quotes += piece.count('"')
        brackets += (piece == "(") - (piece == ")")
        line_start = "\n" in piece
        ends = piece in (".", "!")
        since = 0 if ends or line_start else since + 1
        sentences = 0 if line_start else sentences + ends
    return found


def test_states_follow_a_reading_from_left_to_right():
    rng = np.random.default_rng(0)
    ids = rng.integers(len(PIECES), size=(4, 200))
    documents = np.repeat([7, 3, 5, 9], 200)
    tokens = TokenBlock(documents, np.tile(np.arange(200), 4), ids.ravel(), PIECES)
    found = document_states(tokens)
    for i, own in enumerate(ids):
        expected = states_slowly([PIECES[v] for v in own])
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            part = found[name][200 * i : 200 * (i + 1)]
            np.testing.assert_array_equal(part, values, err_msg=name)


def test_without_a_vocabulary_only_repetition_is_known():
    tokens = TokenBlock([0, 0, 0, 1], [0, 1, 2, 0], [4, 4, 2, 4])
    found = document_states(tokens)
    assert list(found) == ["repeated"]
    assert found["repeated"].tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("capitals only", " NATO", " Nato"),
        ("four digits", " 1987", " 198"),
        ("no leading space", "berg", " berg"),
        ("letters of another script", " \u0434\u043e\u043c", " dom"),
        ("the ending -ing", " walking", " ing"),
        ("a line break", "\n\n", " n"),
        ("a single character", " I", " It"),
    ],
)
def test_spellings(name, yes, no):
    assert SPELLINGS[name](yes) and not SPELLINGS[name](no)
