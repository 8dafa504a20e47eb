"""Case studies agree with counting by hand, and with scikit-learn's measures of a classifier."""

import re

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from skdict import Activations
from skdict.inspection import predicate_scores

TEXTS = (["O", "'", "Brien", " said", " it", "'", "s", " fine"], ["four", " o", "'", "clock"])


@pytest.fixture(scope="module")
def acts():
    pieces = sorted({piece for text in TEXTS for piece in text})
    flat = [piece for text in TEXTS for piece in text]
    return Activations(
        np.zeros((len(flat), 2), dtype=np.float32),
        documents=np.repeat([0, 1], [len(text) for text in TEXTS]),
        positions=[i for text in TEXTS for i in range(len(text))],
        token_ids=[pieces.index(piece) for piece in flat],
        vocabulary=pieces,
    )


def column(acts, firing):
    """Return codes of two features, the second of which fires on given rows with given codes."""
    codes = np.zeros((len(acts), 2))
    codes[list(firing), 1] = list(firing.values())
    return codes


def rows(acts, *pieces):
    return [i for i in range(len(acts)) if acts.token(i) in pieces]


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        ("'", ["'"]),
        (r"(?i)(?<=o)'", None),
        (r"O'Brien", ["O", "Brien"]),
        (r"Brien\b.*it", ["Brien", " said", " it"]),
        (r"ri", ["Brien"]),
        (r"x*", []),
    ],
)
def test_regular_expressions_hold_where_a_match_reaches(acts, pattern, pieces):
    expected = np.zeros(len(acts), dtype=bool)
    if pieces is None:
        expected[[1, 10]] = True
    else:
        expected[rows(acts, *pieces)] = True
        expected[1] |= pattern == "O'Brien"
    codes = column(acts, dict.fromkeys(np.flatnonzero(expected), 1.0))
    for given in (pattern, re.compile(pattern)):
        found = predicate_scores(codes, acts, 1, given)
        assert (found.n_both, found.n_missed, found.n_beyond) == (expected.sum(), 0, 0)


def test_scores_are_those_of_a_classifier(acts):
    codes = column(acts, {1: 4.0, 5: 1.0, 3: 0.4, 0: -3.0})
    truth = np.zeros(len(acts), dtype=bool)
    truth[rows(acts, "'")] = True
    fires = codes[:, 1] > 0
    for predicate in (truth, "'", lambda piece: piece == "'"):
        found = predicate_scores(codes, acts, 1, predicate, n_bins=4)
        assert found.sensitivity == recall_score(truth, fires)
        assert found.precision == precision_score(truth, fires)
        assert found.specificity == recall_score(~truth, ~fires)
        assert found.f1 == pytest.approx(2 / 3)
        assert found.edges.tolist() == [0, 1, 2, 3, 4]
        assert found.n_fired.tolist() == [2, 0, 0, 1]
        assert found.precision_by_bin[[0, 3]].tolist() == [0.5, 1]
        assert np.isnan(found.precision_by_bin[1])


def test_a_dead_feature_has_no_precision(acts):
    found = predicate_scores(column(acts, {}), acts, 0, "'")
    assert (found.sensitivity, found.specificity) == (0, 1)
    assert np.isnan(found.precision)


def test_bad_input(acts):
    codes = column(acts, {0: 1.0})
    with pytest.raises(TypeError, match="pass Activations"):
        predicate_scores(codes, np.asarray(acts), 0, "a")
    with pytest.raises(ValueError, match="feature=2"):
        predicate_scores(codes, acts, 2, "a")
    with pytest.raises(ValueError, match="n_bins=0"):
        predicate_scores(codes, acts, 0, "a", n_bins=0)
    with pytest.raises(ValueError, match="not a valid regular expression"):
        predicate_scores(codes, acts, 0, "(")
    with pytest.raises(TypeError, match="predicate is int"):
        predicate_scores(codes, acts, 0, 3)
    with pytest.raises(ValueError, match="one bool for each of the 12"):
        predicate_scores(codes, acts, 0, [True])
    acts = Activations(np.zeros((1, 1)), documents=[0], positions=[0], token_ids=[0])
    with pytest.raises(ValueError, match="no vocabulary"):
        predicate_scores([[1.0]], acts, 0, "a")
