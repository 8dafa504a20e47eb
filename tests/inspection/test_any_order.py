"""Kind I: what is computed about documents does not depend on the order of the rows."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict

from skdict import Activations, FeatureInterpreter, RandomDictionary
from skdict.decomposition import SparseDictionaryAutoencoderCV
from skdict.inspection import (
    FeatureStatistics,
    InputHistogramDisplay,
    collect_records,
    predicate_scores,
    summarize_features,
    write_report,
)
from skdict.inspection.evidence import RecordCollector, iter_documents, split_documents

N_DOCUMENTS, LENGTH = 12, 9
VOCABULARY = [f" w{i}" for i in range(20)]


@pytest.fixture(scope="module")
def acts():
    rng = np.random.default_rng(0)
    n = N_DOCUMENTS * LENGTH
    return Activations(
        rng.standard_normal((n, 6)).astype(np.float32),
        documents=np.repeat(np.arange(N_DOCUMENTS) * 3, LENGTH),
        positions=np.tile(np.arange(1, LENGTH + 1), N_DOCUMENTS),
        token_ids=rng.integers(20, size=n),
        vocabulary=VOCABULARY,
    )


@pytest.fixture(scope="module")
def dictionary(acts):
    return RandomDictionary(10, random_state=0).fit(acts)


@pytest.fixture(scope="module")
def codes(acts, dictionary):
    return np.maximum(np.asarray(dictionary.transform(acts)), 0)


def orders(n):
    rng = np.random.default_rng(1)
    by_position = np.argsort(np.arange(n) % LENGTH, kind="stable")
    return {"shuffled": rng.permutation(n), "reversed": np.arange(n)[::-1], "columns": by_position}


ORDERS = pytest.mark.parametrize("order", list(orders(2).keys()))


def places(records):
    """Return the windows of records as plain values."""
    return [
        [
            (kind, r.document, r.position, r.token_ids.tolist(), r.codes.tolist())
            for kind in ("top", "random", "silent")
            for r in getattr(found, kind)
        ]
        for found in records
    ]


def windows_by_hand(codes, acts, feature, length):
    """Return (document, position, largest code) of windows in which a feature fires."""
    found = []
    for document in np.unique(acts.documents):
        own = np.flatnonzero(acts.documents == document)
        own = own[np.argsort(acts.positions[own])]
        for start in range(0, len(own), length):
            rows = own[start : start + length]
            if codes[rows, feature].max() > 0:
                found.append((document, acts.positions[rows[0]], codes[rows, feature].max()))
    return found


@ORDERS
def test_records(acts, codes, order):
    rows = orders(len(acts))[order]
    options = {"window": 4, "n_top": 40}
    expected = collect_records(codes, acts, **options)
    found = collect_records(codes[rows], acts[rows], **options)
    assert places(found) == places(expected)
    one = RecordCollector(10, **options).update(codes[rows], acts[rows]).records()
    assert places(one) == places(expected)
    strongest = {}
    for document, position, code in windows_by_hand(codes[rows], acts[rows], 3, 4):
        if code > strongest.get(document, (0, 0))[0]:
            strongest[document] = code, position
    assert {r.document: (r.codes.max(), r.position) for r in found[3].top} == strongest


@ORDERS
def test_statistics(acts, codes, order):
    rows = orders(len(acts))[order]
    expected = FeatureStatistics(window=4).fit(codes, acts)
    for found in (
        FeatureStatistics(window=4).fit(codes[rows], acts[rows]),
        FeatureStatistics(window=4).partial_fit(codes[rows], acts[rows]),
    ):
        assert found.n_documents_ == N_DOCUMENTS == len(np.unique(acts.documents))
        np.testing.assert_array_equal(found.counts_, (codes > 0).sum(axis=0))
        np.testing.assert_allclose(found.mean_, codes.mean(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(found.token_counts_, np.bincount(acts.token_ids))
        np.testing.assert_array_equal(found.token_entropy_, expected.token_entropy_)
        assert places(found.records()) == places(expected.records())


def test_statistics_from_a_dictionary(acts, dictionary):
    rows = orders(len(acts))["shuffled"]
    expected = FeatureStatistics.from_estimator(dictionary, acts, window=4)
    found = FeatureStatistics.from_estimator(dictionary, acts[rows], window=4)
    assert found.n_documents_ == N_DOCUMENTS
    assert places(found.records()) == places(expected.records())


def test_parts_of_a_document_in_two_calls_are_refused(acts, codes):
    rows = orders(len(acts))["shuffled"]
    statistics = FeatureStatistics().partial_fit(codes[rows[:40]], acts[rows[:40]])
    with pytest.raises(
        ValueError, match="already seen in an earlier call; pass all rows of a document"
    ):
        statistics.partial_fit(codes[rows[40:]], acts[rows[40:]])


def test_repeated_rows_are_refused_by_number(acts, codes, dictionary):
    rows = np.array([5, 3, 8, 3])
    told = "rows 1 and 3 are both document 0, position 4; pass each row once"
    for refused in (
        lambda: collect_records(codes[rows], acts[rows]),
        lambda: FeatureStatistics().fit(codes[rows], acts[rows]),
        lambda: FeatureStatistics.from_estimator(dictionary, acts[rows]),
        lambda: list(iter_documents(acts[rows])),
        lambda: predicate_scores(codes[rows], acts[rows], 0, "w1"),
    ):
        with pytest.raises(ValueError, match=told):
            refused()


@ORDERS
def test_splits_keep_documents_whole(acts, order):
    view = acts[orders(len(acts))[order]]
    parts = split_documents(view, seed=3)
    expected = split_documents(acts, seed=3)
    numbers = np.unique(acts.documents)
    for name, chosen in parts.items():
        np.testing.assert_array_equal(chosen, expected[name])
        seen = [block.documents for block in iter_documents(view, chosen, block_rows=20)]
        np.testing.assert_array_equal(np.concatenate(seen), np.repeat(numbers[chosen], LENGTH))
    assert sum(chosen.astype(int) for chosen in parts.values()).tolist() == [1] * N_DOCUMENTS


@ORDERS
def test_regular_expressions_are_searched_in_the_text(acts, codes, order):
    rows = orders(len(acts))[order]
    pattern = " w1 w| w7"
    expected = predicate_scores(codes, acts, 2, pattern)
    found = predicate_scores(codes[rows], acts[rows], 2, pattern)
    assert (found.n_both, found.n_missed, found.n_beyond, found.n_neither) == (
        expected.n_both,
        expected.n_missed,
        expected.n_beyond,
        expected.n_neither,
    )
    assert expected.n_both + expected.n_missed > 0


def test_what_goes_row_by_row(acts, codes):
    rows = orders(len(acts))["shuffled"]
    for j in range(4):
        np.testing.assert_array_equal(
            InputHistogramDisplay.from_codes(codes[rows], acts[rows], j).counts.sum(axis=0),
            InputHistogramDisplay.from_codes(codes, acts, j).counts.sum(axis=0),
        )
    plain = summarize_features(codes, acts, range(4))
    found = summarize_features(codes[rows], acts[rows], range(4))
    assert [s.contexts for s in found] == [s.contexts for s in plain]
    assert [dict(s.top_tokens).keys() for s in found] == [dict(s.top_tokens).keys() for s in plain]


def test_interpretations(acts, dictionary):
    rows = orders(len(acts))["shuffled"]
    options = {"random_state": 0, "min_firings": 1, "prefit": True}
    plain = FeatureInterpreter(dictionary, **options).fit(acts)
    found = FeatureInterpreter(dictionary, **options).fit(acts[rows])
    assert list(map(str, found.explanations_)) == list(map(str, plain.explanations_))
    np.testing.assert_array_equal(found.scores_, plain.scores_)
    assert found.score(acts[rows]) == plain.score(acts)
    explanation = next(e for e in plain.explanations_ if e is not None and e.terms)
    np.testing.assert_array_equal(explanation.predict(acts[rows]), explanation.predict(acts)[rows])


def test_reports(acts, dictionary, tmp_path):
    rows = orders(len(acts))["shuffled"]
    for name, view in (("plain", acts), ("shuffled", acts[rows])):
        write_report(tmp_path / name, dictionary, view, verbose=False)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "shuffled").read_bytes()


def test_folds_do_not_cut_documents(acts):
    rows = orders(len(acts))["shuffled"]
    view = acts[rows]
    search = SparseDictionaryAutoencoderCV(n_components=8, cv=3)
    for train, test in search._splits(view, None):
        assert not set(view.documents[train]) & set(view.documents[test])
    predicted = cross_val_predict(
        Ridge(), view, view.positions, groups=view.documents, cv=GroupKFold(3)
    )
    assert predicted.shape == (len(acts),)


def test_stores_keep_rows_in_order_or_refuse(acts, tmp_path):
    with pytest.raises(ValueError, match=r"sort the rows.*lexsort"):
        acts[np.arange(len(acts))[::-1]].save(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    order = np.lexsort((acts.positions, acts.documents))
    acts[order].save(tmp_path / "store")
    assert len(Activations.load(tmp_path / "store")) == len(acts)
