"""Texts of others neither steer a terminal nor become formulas."""

import pytest

from skdict._text import cell_text, printable, sheet_cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f"),
        ("a\u2028b\u2029c\r\n", r"a\u2028b\u2029c\r\n"),
        ("\x00\x08\x7f\ufeff\ud83d", r"\x00\x08\x7f\ufeff\ud83d"),
        ("\U000e0041", r"\U000e0041"),
        ("naïve café 東京 🙂 \u00a0", "naïve café 東京 🙂 \u00a0"),
        ("क्\u200dष 👩\u200d🔬", "क्\u200dष 👩\u200d🔬"),
    ],
)
def test_controls_are_written_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_what_is_kept_is_kept():
    assert printable("a\n\tb\x1b", keep="\n") == "a\n\\tb\\x1b"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", " =", "'="])
def test_formulas_become_texts_and_come_back(start):
    text = f'{start}HYPERLINK("http://x","y")'
    cell = sheet_cell(text)
    assert cell == f"'{text}" and cell_text(cell) == text


@pytest.mark.parametrize("text", ["cats", "", "'tis", "1. =a", "a=b", "'"])
def test_other_cells_stay(text):
    assert sheet_cell(text) == text == cell_text(text)
