"""Every character of a text can be seen on a page."""

import pytest

from skdict.inspection.report import visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" plain Ünïcode 日本 🙂", " plain Ünïcode 日本 🙂"),
        ("a\x00b\x1b", "a␀b␛"),
        ("line\nend\ttab\r", "line↵end⇥tab␍"),
        ("\u202eabc\u200f\ufeff", "⟨U+202E⟩abc⟨U+200F⟩⟨U+FEFF⟩"),
        ("\udce2\udc82", "⟨E2⟩⟨82⟩"),
        ("\udce2\udc82\udcac", "€"),
        ("\ud800", "⟨U+D800⟩"),
        ("\x7f\x85\xa0\u2028", "⟨U+007F⟩⟨U+0085⟩⟨U+00A0⟩⟨U+2028⟩"),
    ],
)
def test_every_character_can_be_seen(text, seen):
    assert visible(text) == seen
