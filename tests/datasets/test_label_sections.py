"""Sections know their article and the topic of their heading."""

import re

import numpy as np
import pytest

from skdict import load_stories
from skdict.datasets import label_sections

TEXT = """Before the first title .
 = Lobster =

 A crustacean with x = 3 legs .

 = = Taxonomy , and more = =

 = = = Names = = =

 It has names .

 = = Fishing = =

 People fish .
 They eat = it .

 = Song =
 A song .
 = = Release and reception = =
 It was liked .
"""


def test_articles_headings_and_topics():
    found = label_sections(TEXT)
    assert found.texts == [
        "A crustacean with x = 3 legs .",
        "It has names .",
        "People fish .\n They eat = it .",
        "A song .",
        "It was liked .",
    ]
    assert found.articles.tolist() == [0, 0, 0, 1, 1]
    assert found.titles == ["Lobster"] * 3 + ["Song"] * 2
    assert found.headings == ["", "Names", "Fishing", "", "Release and reception"]
    # By the heading above, by none, and by the first of two topics.
    assert found.labels["topic"].tolist() == ["lead", "nature", "", "lead", "reception"]
    assert found.base_rates["topic"] == {"lead": 0.5, "nature": 0.25, "reception": 0.25}
    assert found.labelled["topic"] == 0.8


def test_headings_without_spaces_are_read_alike():
    compact = re.sub("(?<==) (?==)", "", TEXT)
    assert "== Fishing ==" in compact
    assert label_sections(compact).labels["topic"].tolist() == [
        *label_sections(TEXT).labels["topic"]
    ]


def test_wikitext(shared_data):
    text = (shared_data / "text" / "wikitext2-valid.txt").read_text("utf-8")
    found = label_sections(text)
    assert len(np.unique(found.articles)) == 60
    assert len(found.texts) == len(found.labels["topic"]) == len(found.headings) > 500
    assert not any(re.search(r"^ *= .* = *$", section, re.MULTILINE) for section in found.texts)
    rates = found.base_rates["topic"]
    assert len(rates) == 10
    assert all(topic in found.descriptions["topic"] for topic in rates)
    assert min(rates.values()) > 0.02
    assert found.labelled["topic"] > 0.7


def test_texts_without_articles_are_rejected():
    for text in ("", "No heading .", " = Only a title = \n"):
        with pytest.raises(ValueError, match="no article with a section"):
            label_sections(text)
    with pytest.raises(TypeError, match="text is list"):
        label_sections([TEXT])


def test_stories_are_labelled_by_kind():
    stories = load_stories()
    assert stories.labels["kind"].tolist() == stories.kinds
    assert stories.base_rates["kind"]["sampled"] == 0.5
    assert stories.labelled == {"kind": 1.0}
    assert set(stories.descriptions) == {"kind"}
