"""Properties of how a token is written, which do not depend on its context."""

import unicodedata

ENDINGS = (
    "able al ed er est ful ian ic ing ion ist ity ive less ly ment ness ous s ship ward".split()
)


def _letters(piece):
    return [c for c in piece if c.isalpha()]


def _is_latin(letter):
    return unicodedata.name(letter, "").startswith("LATIN")


def _ends_in(ending):
    def holds(piece):
        word = piece.strip()
        return word.isalpha() and len(word) > len(ending) + 1 and word.endswith(ending)

    return holds


SPELLINGS = {
    "a leading space": lambda piece: piece.startswith(" "),
    "a capital": lambda piece: piece.strip()[:1].isupper(),
    "capitals only": lambda piece: piece.strip().isupper() and len(_letters(piece)) > 1,
    "a digit": lambda piece: any(map(str.isdigit, piece)),
    "four digits": lambda piece: piece.strip().isdigit() and len(piece.strip()) == 4,
    "punctuation": lambda piece: (
        bool(piece.strip()) and not any(c.isalnum() for c in piece.strip())
    ),
    "a line break": lambda piece: "\n" in piece,
    "a single character": lambda piece: len(piece.strip()) == 1,
    "no leading space": lambda piece: piece[:1].isalpha(),
    "letters of another script": lambda piece: any(not _is_latin(c) for c in _letters(piece)),
} | {f"the ending -{ending}": _ends_in(ending) for ending in ENDINGS}
