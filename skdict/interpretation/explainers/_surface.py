"""Names for what the spellings of some tokens have in common."""

import re
import unicodedata

# Fraction of the total weight that a name must cover; a first letter alone must cover more.
COVERAGE, LETTER_COVERAGE = 0.8, 0.9
MARKS = {
    ",": ("a comma", "commas"),
    ".": ("a full stop", "full stops"),
    "?": ("a question mark", "question marks"),
    "!": ("an exclamation mark", "exclamation marks"),
    ":": ("a colon", "colons"),
    ";": ("a semicolon", "semicolons"),
    "-": ("a hyphen", "hyphens"),
    "\u2013\u2014": ("a dash", "dashes"),
    "'\u2019": ("an apostrophe", "apostrophes"),
    '"': ("a quotation mark", "quotation marks"),
    "\u201c\u2018\u00ab\u201e": ("an opening quotation mark", "opening quotation marks"),
    "\u201d\u00bb": ("a closing quotation mark", "closing quotation marks"),
    "([{": ("an opening bracket", "opening brackets"),
    ")]}": ("a closing bracket", "closing brackets"),
    "/": ("a slash", "slashes"),
    "%": ("a percent sign", "percent signs"),
    "$": ("a dollar sign", "dollar signs"),
    "£": ("a pound sign", "pound signs"),
    "€": ("a euro sign", "euro signs"),
    "&": ("an ampersand", "ampersands"),
    "*": ("an asterisk", "asterisks"),
    "=": ("an equals sign", "equals signs"),
    "\r\n": ("a line break", "line breaks"),
    "\t": ("a tab", "tabs"),
    "\u2026": ("an ellipsis", "ellipses"),
}
MARK_GROUPS = {
    "quotation marks": "\"'\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e",
    "brackets": "()[]{}",
    "currency signs": "$\u00a3\u20ac\u00a5",
}
CLOSED_LISTS = {
    "months": "january february march april may june july august september october november "
    "december",
    "days of the week": "monday tuesday wednesday thursday friday saturday sunday",
    "ordinals": "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth",
    "number words": "one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy "
    "eighty ninety hundred thousand million billion dozen",
    "compass directions": "north south east west northeast northwest southeast southwest northern "
    "southern eastern western northward southward eastward westward",
    "pronouns": "i you he she it we they me him her us them my your his its our their mine yours "
    "hers ours theirs myself yourself himself herself itself ourselves themselves",
    'forms of "be"': "be am is are was were been being",
    'forms of "have"': "have has had having",
    "prepositions": "about above across after against along among around as at before behind below "
    "beneath beside between beyond by despite down during for from in inside into like near of off "
    "on onto out outside over past since through throughout to toward towards under until up upon "
    "via with within without",
}
CLOSED_LISTS = {name: frozenset(words.split()) for name, words in CLOSED_LISTS.items()}
NUMBERS = {
    "years": r"1\d\d\d|20\d\d",
    "ordinals": r"\d*(1st|2nd|3rd|\dth)",
    "single digits": r"\d",
    "two-digit numbers": r"\d\d",
    "numbers": r"\d[\d.,]*",
}
SCRIPTS = {"CJK": "Chinese characters", "HIRAGANA": "Japanese kana", "KATAKANA": "Japanese kana"}
# Endings of two letters are common by chance, so only grammatical ones count.
SHORT_ENDINGS = ("ed", "ly", "er", "al", "ic")


def mark(text):
    """Return the singular with its article and the plural of a mark; None for other texts.

    Parameters
    ----------
    text : str
        Text of a token.

    Returns
    -------
    tuple of (str, str) or None

    Examples
    --------
    >>> mark(" ,"), mark(" in")
    (('a comma', 'commas'), None)
    """
    bare = text.strip(" ")
    if not bare:
        return ("a space", "spaces") if text else None
    if len(bare) > 1 and set(bare) == {"."}:
        return MARKS["\u2026"]
    return next((names for chars, names in MARKS.items() if set(bare) <= set(chars)), None)


def common_name(weights):
    """Return the most specific name that covers at least 80 % of the weight of some tokens.

    Parameters
    ----------
    weights : dict of str to float
        Positive weight of each token text.

    Returns
    -------
    tuple of (str, frozenset of str) or None
        Plural name and the texts that it covers; None if no name says more than "words" or
        "tokens".

    Examples
    --------
    >>> name, covered = common_name({" 1987": 3.0, " 1992": 2.0, " in": 1.0})
    >>> name, sorted(covered)
    ('years', [' 1987', ' 1992'])
    """
    words = {text: text.strip(" ").casefold() for text in weights}
    total = sum(weights.values())
    for names in (_list_names, _kind_names, _affix_names):
        covered = {}
        for text, word in words.items():
            for name in names(text, word):
                covered.setdefault(name, set()).add(text)
        fitting = [
            (name, own)
            for name, own in covered.items()
            if sum(weights[t] for t in own) >= _least_coverage(name) * total
            and len({words[t] for t in own}) >= _fewest(name)
        ]
        if fitting:
            name, own = min(fitting, key=lambda found: _generality(*found))
            return _written(name, {words[t] for t in own}), frozenset(own)
    return None


def _list_names(text, word):
    yield from (name for name, members in CLOSED_LISTS.items() if word in members)
    yield from (name for name, pattern in NUMBERS.items() if re.fullmatch(pattern, word))


def _kind_names(text, word):
    """Yield names by characters, the most specific first."""
    letters = [c for c in word if c.isalpha()]
    if "\ufffd" in word:
        yield "parts of split characters"
    if not letters:
        yield from (name for name, chars in MARK_GROUPS.items() if word and set(word) <= set(chars))
        if mark(text) or (word and not any(c.isalnum() for c in word)):
            yield "punctuation"
        return
    script = unicodedata.name(letters[0], "LATIN").split()[0]
    if script != "LATIN" and not letters[0].isascii():
        yield SCRIPTS.get(script, f"{script.capitalize()} text")
    bare = text.strip(" ")
    if len(bare) == 1:
        yield "capital letters" if bare.isupper() else "single letters"
        yield "single letters"
    elif bare.isupper():
        yield "words in capitals"


def _affix_names(text, word):
    """Yield endings as "-ing" and beginnings as "show-"."""
    if not word.isalpha():
        return
    yield from (f"-{word[-n:]}" for n in range(3, min(7, len(word) - 1)))
    yield from (f"-{e}" for e in SHORT_ENDINGS if word.endswith(e) and len(word) > len(e) + 1)
    if text.startswith(" ") or text[:1].isupper():
        yield from (f"{word[:n]}-" for n in (1, *range(4, len(word) + 1)))


def _fewest(name):
    """Return the minimum number of distinct words that a name is used for."""
    if name.endswith("-"):
        return 5 if len(name) == 2 else 3
    return 3 if name.startswith("-") else 2


def _least_coverage(name):
    return LETTER_COVERAGE if name.endswith("-") and len(name) == 2 else COVERAGE


def _generality(name, covered):
    """Return the sort key of a name: the longest affix or else the fewest texts covered first."""
    order = [*CLOSED_LISTS, *NUMBERS, *MARK_GROUPS, "capital letters", "single letters"]
    place = order.index(name) if name in order else len(order)
    affix = name.startswith("-") or name.endswith("-")
    return (-len(name) if affix else 0, len(covered), place, name)


def _written(name, words):
    if name.startswith("-"):
        return f'words ending in "{name}"'
    if name.endswith("-"):
        stem = name[:-1]
        return (
            f'forms of "{stem}"'
            if len(stem) > 1 and stem in words
            else f'words starting with "{stem}"'
        )
    return name
