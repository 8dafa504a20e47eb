"""Sections of articles with the topic of their heading."""

import re
from typing import NamedTuple

import numpy as np

from skdict.datasets._labels import describe_labels

# " = Title = " in WikiText, "== Section ==" elsewhere: as many signs on both sides.
HEADING = re.compile(r"^[ \t]*((?:=[ \t]*)+)([^=\n]+?)[ \t]*((?:=[ \t]*)+)$", re.MULTILINE)
# Topics in order of precedence, each with words of headings.
TOPICS = {
    "plot": "plot synopsis story characters gameplay setting",
    "reception": """reception response reviews accolades awards charts chart certifications
        reaction reactions criticism controversy legacy honors honours influence""",
    "production": """production development recording recordings composition writing filming music
        lyrics design release casting conception creation themes soundtrack style""",
    "conflict": """battle war wars invasion campaign attack forces prelude casualties siege
        operations operational armament raids strikes conflict aftermath""",
    "sport": """season match matches squad club teams race racing playoffs finals league nba
        football international championships tournament wrestling pitching coaching""",
    "life": """life career biography personal family death education childhood marriage
        college school illness governor political""",
    "nature": """taxonomy habitat distribution ecology geology climate reproduction behavior
        behaviour flora fauna species diet conservation classification storm storms
        hurricane typhoon meteorological preparations physical characteristics chemistry""",
    "place": """geography route intersections demographics economy transport transportation
        infrastructure location architecture population bridges site""",
    "history": "history background origins etymology",
}
TOPIC_OF_WORD = {word: topic for topic, words in TOPICS.items() for word in words.split()}
DESCRIPTIONS = {
    "topic": "Topic of the section by the words of its heading, or else of the heading above it: "
    f"{', '.join(sorted(TOPICS))}; or lead, for the section below the title of an article.",
}


class _Section(NamedTuple):
    text: str
    article: int
    title: str
    path: tuple


def label_sections(text):
    r"""Split articles into sections and label each with the topic of its heading.

    Headings are lines between equal signs, ``= Title =`` for an article and ``= = Section = =``
    or ``== Section ==`` for its sections, as in WikiText and Wikipedia. The headings are not part
    of the texts, so the topic must be recognised from the prose.

    Parameters
    ----------
    text : str
        Articles with headings, such as the content of a file of WikiText-2.

    Returns
    -------
    Bunch
        texts : list of str
            Text of each section that has any.
        labels : dict of str to ndarray of str, shape (n_sections,)
            `topic`: "conflict", "history", "life", "nature", "place", "plot", "production",
            "reception" or "sport" by the words of the heading, or else of the heading above it;
            "lead" for the section below the title of an article; "" if no word is known.
        articles : ndarray of int, shape (n_sections,)
            Article of each section. Pass it as `groups` to `SparseProbing`, so that sections of
            one article are on the same side of the split.
        titles, headings : list of str
            Title of the article and heading of each section; the heading of a lead is "".
        descriptions : dict of str to str
            Definition of each label.
        base_rates : dict of str to dict of str to float
            For each label, the share of each class among the labelled sections.
        labelled : dict of str to float
            For each label, the share of sections that have one.

    Raises
    ------
    TypeError
        If `text` is not a str.
    ValueError
        If `text` has no article with a section.

    See Also
    --------
    skdict.metrics.SparseProbing : Probe the features of a dictionary for labels.
    label_tokens : Label tokens by part of speech, number and more.

    Examples
    --------
    >>> from skdict.datasets import label_sections
    >>> sections = label_sections(
    ...     " = Lobster = \n A crustacean . \n = = Habitat = = \n It lives in the sea . \n"
    ... )
    >>> sections.texts
    ['A crustacean .', 'It lives in the sea .']
    >>> sections.labels["topic"].tolist(), sections.articles.tolist()
    (['lead', 'nature'], [0, 0])
    """
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}; pass the articles as one str")
    sections = [section for section in _sections(text) if section.text]
    if not sections:
        raise ValueError(
            "text has no article with a section; pass articles whose titles are lines such as "
            "'= Title ='"
        )
    topics = np.array([_topic(section.path) for section in sections])
    return describe_labels(
        {"topic": topics},
        DESCRIPTIONS,
        texts=[section.text for section in sections],
        articles=np.array([section.article for section in sections]),
        titles=[section.title for section in sections],
        headings=[section.path[-1] if section.path else "" for section in sections],
    )


def _sections(text):
    """Yield the sections of articles; text before the first title belongs to none."""
    headings = [found for found in HEADING.finditer(text) if _level(found[1]) == _level(found[3])]
    starts = [found.start() for found in headings]
    article, title, path = -1, "", []
    for heading, end in zip(headings, [*starts[1:], len(text)], strict=False):
        level = _level(heading[1])
        if level == 1:
            article, title, path = article + 1, heading[2], []
        else:
            path = [*path[: level - 2], heading[2]]
        if article >= 0:
            yield _Section(text[heading.end() : end].strip(), article, title, tuple(path))


def _level(signs):
    return signs.count("=")


def _topic(path):
    """Return the topic of a section from its heading, or from the nearest heading above."""
    for heading in reversed(path):
        found = {TOPIC_OF_WORD.get(word) for word in re.findall(r"[a-z]+", heading.lower())}
        for topic in TOPICS:
            if topic in found:
                return topic
    return "" if path else "lead"
