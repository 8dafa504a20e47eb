"""The sentence of an explanation says what a reader would say of its strongest terms."""

import re

import numpy as np
import pytest

from skdict.interpretation.explainers._conditions import N_BUCKETS
from skdict.interpretation.explainers._phrases import MOST_CHARACTERS, sentence
from skdict.interpretation.explainers._spellings import SPELLINGS
from skdict.interpretation.explainers._terms import Term

PIECES = (
    " in| on| at| the| end| 19| 18| 1987| 1992| 1914| 1945| 2003| Colorado| Denver| Boulder| Ohio"
    "| Texas| guilty| innocent|berg|stein|ville|ford|son|Mr| Mr| Mrs| Dr| Marines| walking| running"
    "| eating| singing| talking|,| ,| .|(| (|)| “|”| —|\n|\n\n| |2|3|7|9|0|th|s| number| part| of"
    "| air| Air| support| supported| supports| supporting| ship| crew|unk>| which| made| tennis"
    '| match| player| racket| court|\u2212|\x1b[2J|say "hi\\|Москва| Россия| город| Ленин| мир'
    "| NASA| FBI| NATO| UN| EU|A| B| C| D| E| June| July| May| March| April"
).split("|")
IDS = {piece: i for i, piece in enumerate(PIECES)}


def ids(text):
    return tuple(IDS[piece] for piece in text.split("|"))


def on(text):
    return Term("suffix", ids(text))


def one_of(text):
    return Term("class", ids(text))


def previous(text):
    return Term("previous", IDS[text])


def previous_class(text):
    return Term("previous class", ids(text))


def near(text):
    return Term("near", IDS[text])


def both(*terms):
    return Term("both", terms)


def spelling(name):
    return Term("spelling", name)


def state(name):
    return Term("state", name)


YEARS = " 1987| 1992| 1914| 1945| 2003"
PLACES = " Colorado| Denver| Boulder| Ohio| Texas"
PARTS = "berg|stein|ville|ford|son"
ING = " walking| running| eating| singing| talking"
TITLES = " Mr| Mrs| Dr| Marines| NASA"
LATER, QUOTED = state("repeated"), state("in quotes")
OPENING = state("at the start of a sentence")
SAID = {
    # Tokens.
    "nothing seen": [],
    '"guilty" and "innocent"': [(on(" guilty"), 9), (on(" innocent"), 7)],
    '"guilty"': [(on(" guilty"), 10), (on(" innocent"), 1)],
    '"Mr" and "Denver"': [(on("Mr"), 9), (on(" Denver"), 3), (on(" Mr"), 2)],
    '"air" and "ship"': [(on(" air"), 9), (on(" Air"), 9), (on(" ship"), 3)],
    '"-th" and "-s"': [(on("th"), 9), (on("s"), 5)],
    'words like "guilty", "ship", "crew" and "made"': [
        (on(f" {word}"), 9 - i) for i, word in enumerate(("guilty", "ship", "crew", "made", "air"))
    ],
    'tokens such as "guilty", "-th", "2" and "air"': [
        (on(piece), 9 - i) for i, piece in enumerate((" guilty", "th", "2", " air", "s"))
    ],
    # Marks and white space.
    "commas": [(on(","), 9), (on(" ,"), 3)],
    "full stops and opening brackets": [(on(" ."), 9), (on(" ("), 3)],
    "opening quotation marks": [(one_of(" “"), 9)],
    "line breaks": [(one_of("\n|\n\n"), 9)],
    'punctuation such as commas, full stops and "\u2212"': [(one_of(",| .|\u2212| —|("), 9)],
    # Classes and their names.
    'words like "Colorado", "Denver", "Boulder" and "Ohio"': [(one_of(PLACES), 9)],
    '"Colorado" and "Denver"': [(one_of(" Colorado| Denver"), 9)],
    'years such as "1987", "1992" and "1914"': [(one_of(YEARS), 9)],
    'words ending in "-ing", such as "walking", "running" and "eating"': [(one_of(ING), 9)],
    'parts of words such as "-berg", "-stein", "-ville" and "-ford"': [(one_of(PARTS), 9)],
    'forms of "support", such as "support", "supported" and "supports"': [
        (one_of(" support| supported| supports| supporting| ship"), 9)
    ],
    'months such as "June", "July" and "May"': [(one_of(" June| July| May| March| April"), 9)],
    'words in capitals such as "NASA", "FBI" and "NATO"': [(one_of(" NASA| FBI| NATO| UN| EU"), 9)],
    'capital letters such as "A", "B" and "C"': [(one_of("A| B| C| D| E"), 9)],
    'single digits such as "2", "3" and "7"': [(one_of("2|3|7|9|0| in"), 9)],
    'Cyrillic text such as "Москва", "Россия" and "город"': [
        (one_of("Москва| Россия| город| Ленин| мир"), 9)
    ],
    'words like "guilty", "Colorado", "Denver" and "Boulder"': [
        (on(" guilty"), 12),
        (one_of(PLACES), 9),
    ],
    # Spellings.
    "capitalised words": [(spelling("a capital"), 9)],
    "capitalised words that are also single characters": [
        (both(spelling("a capital"), spelling("a single character")), 9)
    ],
    '"2" and capitalised words': [(on("2"), 9), (spelling("a capital"), 8)],
    'capitalised words, but not "Mr"': [(spelling("a capital"), 9), (on(" Mr"), -9)],
    '"Mrs" or "Dr" after a number': [
        (
            both(
                spelling("a capital"),
                one_of(" guilty| Mrs| Dr"),
                Term("previous spelling", "a digit"),
            ),
            9,
        )
    ],
    # Contexts.
    '"19" or "18" after "in"': [(on(" in| 19"), 9), (on(" in| 18"), 7)],
    '"of" after "number" or "the end"': [(on(" number| of"), 9), (on(" the| end| of"), 7)],
    '"of" after "end"': [(on(" end| of"), 9), (on(" the| end| of"), 3)],
    '"of"': [(on(" of"), 9), (on(" end| of"), 3)],
    '"of", most of all after "end" or "part"': [
        (on(" of"), 3),
        (on(" end| of"), 7),
        (on(" part| of"), 6),
    ],
    '"of" and "air", most of all "of" after "end"': [
        (on(" of"), 3),
        (on(" air"), 2),
        (on(" end| of"), 7),
    ],
    '"of", but not after "end"': [(on(" of"), 9), (on(" end| of"), -9)],
    'years such as "1987", "1992" or "1914", after "in"': [
        (both(one_of(YEARS), previous(" in")), 9)
    ],
    'capitalised words after "Mr" or "Mrs"': [
        (both(spelling("a capital"), previous(" Mr")), 9),
        (both(previous(" Mrs"), spelling("a capital")), 7),
    ],
    'capitalised words after words like "Mr", "Mrs", "Dr" or "Marines"': [
        (both(spelling("a capital"), previous_class(TITLES)), 9)
    ],
    '"-berg" after a comma or a line break': [(on(",|berg"), 9), (on("\n|berg"), 7)],
    'tokens after "in"': [(previous(" in"), 9)],
    'tokens after "in" or "on", or soon after "tennis"': [
        (previous(" in"), 9),
        (near(" tennis"), 5),
        (previous(" on"), 4),
    ],
    'tokens soon after "made"': [(near(" made"), 9), (previous(" made"), -4)],
    'tokens soon after "made", but not directly after "made"': [
        (near(" made"), 9),
        (previous(" made"), -9),
    ],
    '"Texas" and "Ohio", also after "in"': [
        (on(" Texas"), 9),
        (on(" Ohio"), 5),
        (previous(" in"), 2),
    ],
    'tokens after "in", also "Texas"': [(on(" Texas"), 5), (previous(" in"), 9)],
    "tokens after a capitalised word": [(Term("previous spelling", "a capital"), 9)],
    'tokens in texts with words like "tennis", "match", "player" and "racket"': [
        (Term("topic", ids(" tennis| match| player| racket| court")), 9)
    ],
    # States and positions.
    "commas in brackets": [(both(on(","), state("in brackets")), 9)],
    "numbers at the start of a sentence": [(both(spelling("a digit"), OPENING), 9)],
    'the second and later mentions of "Marines"': [(both(on(" Marines"), LATER), 9)],
    'the second and later mentions of "Marines" in quotation marks': [
        (both(both(on(" Marines"), LATER), QUOTED), 9)
    ],
    "repeated tokens": [(LATER, 9)],
    "tokens in quotation marks or at the start of a sentence": [(QUOTED, 9), (OPENING, 7)],
    '"Marines", also when repeated': [(on(" Marines"), 9), (LATER, 7)],
    "tokens at the start of a text": [(Term("position", 0), 9)],
    "tokens among the first 7 tokens of a text": [(Term("position", b), 9 - b) for b in range(3)],
    "tokens at positions 7 to 14 of a text": [(Term("position", 3), 9)],
    "tokens from position 1023 of a text on": [(Term("position", N_BUCKETS - 1), 9)],
    # Only exceptions.
    'tokens other than "in"': [(on(" in"), -9)],
}


@pytest.mark.parametrize("text", SAID)
def test_sentences_read_well(text):
    assert sentence(SAID[text], PIECES) == f"fires on {text}"


def test_only_members_on_which_the_feature_fires_are_quoted_strongest_first():
    rules = [(one_of(PLACES), 9)]
    totals = {IDS[" Ohio"]: 5.0, IDS[" Texas"]: 7.0, IDS[" in"]: 99.0}
    expected = 'fires on words like "Texas" and "Ohio"'
    assert sentence(rules, PIECES, totals) == expected
    pair = np.array(list(totals)), np.array(list(totals.values()))
    assert sentence(rules, PIECES, pair) == expected
    one = {IDS[" Ohio"]: 5.0}
    assert sentence(rules, PIECES, one) == 'fires on "Ohio" and similar words'
    named = {IDS["stein"]: 5.0}
    assert (
        sentence([(one_of(PARTS), 9)], PIECES, named) == 'fires on "-stein" and similar word parts'
    )


def test_a_class_on_which_the_feature_never_fires_is_left_out_unless_it_is_all():
    rules = [(one_of(PLACES), 9), (on(" guilty"), 5)]
    totals = {IDS[" guilty"]: 1.0}
    assert sentence(rules, PIECES, totals) == 'fires on "guilty"'
    assert sentence(rules[:1], PIECES, totals) == sentence(rules[:1], PIECES)


def test_preceding_tokens_are_ranked_by_what_follows_them():
    rules = [(both(spelling("a capital"), previous_class(TITLES)), 9)]
    found = sentence(rules, PIECES, before={IDS[" Dr"]: 2.0, IDS[" Mr"]: 1.0})
    assert found == 'fires on capitalised words after words like "Dr" or "Mr"'


def test_tokens_without_a_vocabulary_are_numbers():
    rules = [(Term("suffix", (3, 5)), 9), (Term("near", 7), 4)]
    assert sentence(rules, None) == "fires on <5> after <3>, also soon after <7>"


def test_vocabularies_without_spaces_have_no_word_parts():
    assert sentence([(Term("suffix", (0,)), 1)], ["a", "b"]) == 'fires on "a"'


def test_untrusted_tokens_are_escaped():
    assert sentence([(on("\x1b[2J"), 1)], PIECES) == 'fires on "\\x1b[2J"'
    assert sentence([(on('say "hi\\'), 1)], PIECES) == 'fires on "-say \\"hi\\\\"'
    cut = "é".encode()[:1].decode("utf-8", errors="surrogateescape")
    assert sentence([(Term("suffix", (0,)), 1)], [cut]) == 'fires on "\ufffd"'


def test_long_tokens_keep_their_end():
    text = sentence([(Term("suffix", (0,)), 1)], [" " + "ab" * 50])
    assert text == f'fires on "…{"ab" * 50}"'[:11] + f'{("ab" * 50)[-23:]}"'


def random_term(rng, pieces, depth=0):
    kind = rng.choice(
        ["suffix", "previous", "near", "class", "previous class", "topic", "spelling",
         "previous spelling", "position", "state", "both"][: 10 + (depth < 2)]
    )  # fmt: skip
    if kind == "both":
        return Term(kind, tuple(random_term(rng, pieces, depth + 1) for _ in range(2)))
    if kind in ("previous", "near"):
        return Term(kind, int(rng.integers(len(pieces))))
    if "spelling" in kind:
        return Term(kind, str(rng.choice(list(SPELLINGS))))
    if kind == "position":
        return Term(kind, int(rng.integers(N_BUCKETS)))
    if kind == "state":
        return Term(kind, str(rng.choice(["repeated", "in quotes", "in brackets"])))
    size = int(rng.integers(1, 4 if kind == "suffix" else 30))
    return Term(kind, tuple(rng.integers(len(pieces), size=size).tolist()))


def odd_pieces(rng):
    """Return token texts of control characters, quotes, spaces and long words."""
    alphabet = list("abXY \n\t\"'\\(),.0“…\x00\x1b\u202e\u0430\u4e2d\U000e0001\udc80")
    drawn = (rng.integers(len(alphabet), size=rng.integers(40)) for _ in range(60))
    return [*("".join(alphabet[i] for i in own) for own in drawn), " a"]


@pytest.mark.parametrize("seed", range(60))
def test_any_rules_give_one_short_printable_sentence(seed):
    rng = np.random.default_rng(seed)
    pieces = [*PIECES, *odd_pieces(rng)]
    drawn = [(random_term(rng, pieces), float(rng.normal())) for _ in range(rng.integers(1, 20))]
    rules = list(dict(drawn).items())
    totals = {int(i): float(x) for i, x in enumerate(rng.exponential(size=len(pieces))) if x > 1}
    text = sentence(rules, pieces, totals)
    assert text.startswith("fires on ") and len(text) <= MOST_CHARACTERS
    assert text.isprintable()
    assert '"' not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert text == sentence(rules, pieces, dict(reversed(totals.items())))
