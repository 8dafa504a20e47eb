"""Names are given to what most of the weight of some tokens has in common, and to nothing less."""

import pytest

from skdict.interpretation.explainers._surface import common_name, mark

NAMED = {
    "years": [" 1987", "2003"],
    "ordinals": [" first", " 3rd", " 21st", " 12th"],
    "single digits": ["1", " 2"],
    "two-digit numbers": ["19", " 20"],
    "numbers": ["1", "22", " 3,000", "4.5"],
    "days of the week": [" Monday", " friday"],
    "number words": [" two", " Twenty"],
    "pronouns": [" her", " She"],
    'forms of "be"': [" was", " Is"],
    "prepositions": [" In", " through"],
    "compass directions": [" north", " Eastern"],
    "brackets": ["(", " ]"],
    "quotation marks": ['"', " “", "\u2019"],
    "currency signs": ["$", " €"],
    "punctuation": [",", " -", "\u2212"],
    "Greek text": [" λόγος", "και"],
    "Chinese characters": ["中国", "文"],
    "Japanese kana": ["かな", "カナ"],
    "parts of split characters": ["\ufffd", " \ufffd\ufffd"],
    "words in capitals": [" NASA", "USA"],
    "capital letters": [" A", "B"],
    "single letters": [" a", "B"],
    'words ending in "-ation"': [" location", " vacation", " creation"],
    'words ending in "-ly"': [" slowly", " early", " barely"],
    'words starting with "predec"': [" predecessor", " Predecease", " predecimal"],
    'forms of "show"': [" show", " showed", " Shows"],
    'words starting with "w"': [" w", " wol", " Welsh", " web", " Walter"],
}


@pytest.mark.parametrize("name", NAMED)
def test_names(name):
    found, covered = common_name(dict.fromkeys(NAMED[name], 1.0))
    assert found == name and covered == set(NAMED[name])


@pytest.mark.parametrize(
    "texts",
    [
        [" Denver", " Boulder", " Ohio"],
        [" of", "ing", "2"],
        [" first"],
        ["ly", " in", " at"],
        [" show", " shown"],
        [" shore", " shown", " shop"],
        [],
    ],
)
def test_nothing_in_common(texts):
    assert common_name(dict.fromkeys(texts, 1.0)) is None


def test_a_name_covers_four_fifths_of_the_weight():
    assert common_name({" 1987": 3.0, " 1992": 1.0, " in": 1.0})[0] == "years"
    assert common_name({" 1987": 3.0, " 1992": 0.9, " in": 1.0}) is None


def test_marks():
    assert mark(" ,") == ("a comma", "commas")
    assert mark("\n\n") == ("a line break", "line breaks")
    assert mark(" ") == ("a space", "spaces")
    assert mark("...") == ("an ellipsis", "ellipses")
    assert mark("") is mark(" a") is mark("-,") is None
