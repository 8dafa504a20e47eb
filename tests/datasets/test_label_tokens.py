"""Labels of tokens follow from the words, however the words are cut into tokens."""

import re

import numpy as np
import pytest

from skdict import Activations, load_stories
from skdict.datasets import label_tokens
from skdict.datasets._task_words import BOYS, GIRLS, NOUNS


def acts(*documents):
    """Return activations whose documents are lists of pieces."""
    pieces = [piece for document in documents for piece in document]
    lengths = [len(document) for document in documents]
    vocabulary = sorted(set(pieces))
    return Activations(
        np.zeros((len(pieces), 1)),
        documents=np.repeat(np.arange(len(documents)), lengths),
        positions=np.concatenate([np.arange(n) for n in lengths]),
        token_ids=[vocabulary.index(piece) for piece in pieces],
        vocabulary=vocabulary,
    )


def words(text):
    """Return the pieces of a text: words with their leading space, and other characters."""
    return re.findall(r" ?\w+|[^\w]", text)


def labelled(text, label):
    """Return the pieces of a text that have a label, with it."""
    pieces = words(text)
    values = label_tokens(acts(pieces)).labels[label]
    return [(piece.strip(), value) for piece, value in zip(pieces, values, strict=True) if value]


def test_parts_of_speech():
    assert labelled(
        "The old dogs quickly jumped into a box, and she saw Tom.", "part_of_speech"
    ) == [
        ("The", "determiner"),
        ("old", "adjective"),
        ("dogs", "noun"),
        ("quickly", "adverb"),
        ("jumped", "verb"),
        ("into", "preposition"),
        ("a", "determiner"),
        ("box", "noun"),
        ("and", "conjunction"),
        ("she", "pronoun"),
        ("saw", "verb"),
        ("Tom", "name"),
    ]


def test_words_of_several_kinds_have_no_label():
    assert labelled("play that like to", "part_of_speech") == []


def test_exceptions_to_the_suffixes():
    assert labelled("hundred indeed family butterfly red bed need fly", "part_of_speech") == [
        ("family", "noun"),
        ("butterfly", "noun"),
        ("red", "adjective"),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Then Tom ran.", ["Tom"]),
        # Only a capital within a sentence shows that the first word is a name.
        ("Tom ran.", []),
        ("Tom ran. Then Tom sat.", ["Tom", "Tom"]),
        ("Joy and joy met. So Joy ran.", ["Joy"]),
        ('Then he said, "Run, Tom."', ["Tom"]),
        # Function words in titles have no label at all.
        ("We read The Lord Of The Rings.", ["Lord", "Rings"]),
        ("She and I saw it.", []),
        ("Then a French cat met J Smith.", ["Smith"]),
        ("Soon Lily's mom came.", ["Lily"]),
    ],
)
def test_names(text, names):
    found = labelled(text, "part_of_speech")
    assert [word for word, kind in found if kind == "name"] == names


def test_what_follows_an_apostrophe_is_not_a_word():
    assert labelled("she'd didn't it's", "part_of_speech") == [
        ("she", "pronoun"),
        ("it", "pronoun"),
    ]


def test_number_and_gender():
    text = "The child saw two wolves, and her mother saw his boxes."
    assert labelled(text, "number") == [
        ("child", "singular"),
        ("wolves", "plural"),
        ("mother", "singular"),
        ("boxes", "plural"),
    ]
    assert labelled(text, "gender") == [("her", "feminine"), ("his", "masculine")]


def test_nouns_of_the_task_prompts_have_their_number():
    known = 0
    for pair in NOUNS:
        for noun, number in zip(pair, ("singular", "plural"), strict=True):
            found = labelled(f"the {noun}", "number")
            assert found in ([], [(noun, number)])
            known += bool(found)
    assert known > 20


def test_names_of_the_task_prompts_are_names():
    for name in GIRLS + BOYS:
        assert labelled(f"once {name} ran", "part_of_speech")[-2:] == [
            (name, "name"),
            ("ran", "verb"),
        ]


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ('He said, "Come here," and left.', "Come here,", "He said,andleft."),
        ("He said, \u201cCome here,\u201d and left.", "Come here,", "He said,andleft."),
        # A mark without a partner hides the remainder of its paragraph, and no more.
        ('He said, "Come.\nThey came.', "", "He said,They came."),
        ('He said."\nThey "came".', "came", "He said.They."),
        ("", "", ""),
    ],
)
def test_quotations(text, inside, outside):
    pieces = [*words(text), "\n"]
    values = label_tokens(acts(pieces)).labels["quoted"]
    for state, expected in (("inside", inside), ("outside", outside)):
        found = "".join(p for p, value in zip(pieces, values, strict=True) if value == state)
        assert found.replace(" ", "") == expected.replace(" ", "")
    assert values[-1] == ""


def test_tokens_of_a_word_do_not_matter():
    texts = load_stories().texts[:60]
    whole = label_tokens(acts(*map(words, texts))).labels
    characters = label_tokens(acts(*map(list, texts))).labels
    last = np.cumsum([len(piece) for text in texts for piece in words(text)]) - 1
    for name in ("part_of_speech", "number", "gender"):
        assert (characters[name][last] == whole[name]).all()
        # All but the last piece of a word have no label.
        assert (np.delete(characters[name], last) == "").all()
    assert (characters["quoted"][last] == whole["quoted"]).all()


def test_a_token_of_several_words_has_no_label():
    labels = label_tokens(acts(["the dog", " ran", " a", "n"])).labels["part_of_speech"]
    assert labels.tolist() == ["", "verb", "", "determiner"]


def test_bytes_of_a_split_character_belong_to_its_word():
    halves = "é".encode().decode("ascii", errors="surrogateescape")
    labels = label_tokens(acts([" and", " caf", *halves, " ran"])).labels["part_of_speech"]
    assert labels.tolist() == ["conjunction", "", "", "", "verb"]


def test_base_rates_are_shares_of_labelled_tokens():
    found = label_tokens(acts(words("She saw her dog."), words("He ran.")))
    assert set(found.base_rates) == set(found.descriptions) == set(found.labels)
    assert found.base_rates["gender"] == pytest.approx({"feminine": 2 / 3, "masculine": 1 / 3})
    assert found.labelled["gender"] == pytest.approx(3 / 8)
    for rates in found.base_rates.values():
        assert sum(rates.values()) == pytest.approx(1)


def test_whole_documents_are_required():
    rows = acts(words("She saw her dog."), words("He ran."))
    for part in (rows[[0, 2]], rows[[0, 5, 1]], rows[::-1]):
        with pytest.raises(ValueError, match="missing or not consecutive"):
            label_tokens(part)
    assert label_tokens(rows[rows.documents == 1]).labels["gender"].tolist() == [
        "masculine",
        "",
        "",
    ]
    with pytest.raises(ValueError, match="no rows"):
        label_tokens(rows[:0])
    with pytest.raises(TypeError, match="ndarray has no vocabulary"):
        label_tokens(np.zeros((3, 2)))
