"""Windows are those that a look at all windows would choose, however the codes come."""

import numpy as np
import pytest
import scipy.sparse
import scipy.stats

from skdict import Activations
from skdict.inspection import collect_records
from skdict.inspection.evidence import RecordCollector

WINDOW = 5


@pytest.fixture(scope="module")
def data():
    """Activations of 40 documents of 3 to 16 tokens, two of them equal, and codes."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 17, 40)
    lengths[7] = lengths[3]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(0, 1000, starts[-1])
    codes = np.where(rng.random((starts[-1], 6)) < 0.15, rng.gamma(1.0, size=(starts[-1], 6)), 0)
    codes[:, 5] = 0
    twin, original = slice(starts[7], starts[8]), slice(starts[3], starts[4])
    ids[twin], codes[twin] = ids[original], codes[original]
    acts = Activations(
        np.zeros((starts[-1], 1), dtype=np.float32),
        documents=np.repeat(np.arange(40), lengths),
        positions=np.concatenate([np.arange(n) for n in lengths]),
        token_ids=ids,
    )
    return codes.astype(np.float32), acts


def windows_of(codes, acts):
    """Return every window as (document, position, tokens, codes)."""
    found = []
    for document in np.unique(acts.documents):
        rows = np.flatnonzero(acts.documents == document)
        for start in range(0, len(rows), WINDOW):
            part = rows[start : start + WINDOW]
            found.append((int(document), start, tuple(acts.token_ids[part]), codes[part]))
    return found


def as_set(records):
    return {(r.document, r.position, tuple(r.token_ids), tuple(r.codes.tolist())) for r in records}


def test_top_windows_are_the_strongest_one_for_each_document_and_text(data):
    codes, acts = data
    records = collect_records(codes, acts, window=WINDOW, n_top=4)
    for j in range(5):
        by_text = {}
        for d, p, ids, c in sorted(windows_of(codes, acts), key=lambda w: -w[3][:, j].max()):
            if c[:, j].max() > 0 and d not in {v[0] for v in by_text.values()}:
                by_text.setdefault(ids, (d, p, ids, tuple(c[:, j].tolist())))
        expected = list(by_text.values())[:4]
        assert as_set(records[j].top) == set(expected)
        largest = [r.codes.max() for r in records[j].top]
        assert largest == sorted(largest, reverse=True)
    assert records[5].top == records[5].random == []


def test_kinds(data):
    codes, acts = data
    records = collect_records(codes, acts, window=WINDOW, n_importance=6, n_random=6, n_silent=5)
    every = {w[:3]: w[3] for w in windows_of(codes, acts)}
    for j, found in enumerate(records):
        for kind in (found.top, found.random, found.importance):
            assert len({r.document for r in kind}) == len(kind)
            assert all(r.codes.max() > 0 for r in kind)
        assert len(found.silent) == 5
        for r in found.silent + found.random + found.importance:
            true = every[r.document, r.position, tuple(r.token_ids)][:, j]
            assert np.array_equal(true, r.codes)
        assert not any(r.codes.any() for r in found.silent)
    short = [r for found in records for r in found.top if len(r.token_ids) < WINDOW]
    assert short, "the last window of a document is kept"


@pytest.mark.parametrize("merged", [False, True])
def test_neither_order_nor_batches_matter(data, merged):
    codes, acts = data
    options = {"window": WINDOW, "n_top": 3, "n_random": 3, "n_importance": 3, "n_silent": 3}
    expected = RecordCollector(6, **options).update(codes, acts).records()
    collectors = [RecordCollector(6, **options) for _ in range(4 if merged else 1)]
    for i, document in enumerate(np.random.default_rng(1).permutation(40)):
        rows = acts.documents == document
        collectors[i % len(collectors)].update(codes[rows], acts[rows])
    for other in collectors[1:]:
        collectors[0].merge(other)
    for found, same in zip(collectors[0].records(), expected, strict=True):
        for kind in ("top", "random", "importance", "silent"):
            assert as_set(getattr(found, kind)) == as_set(getattr(same, kind))


def test_only_chosen_documents(data):
    codes, acts = data
    chosen = np.arange(40) % 2 == 0
    for found in collect_records(scipy.sparse.csr_array(codes), acts, chosen=chosen):
        for kind in (found.top, found.random, found.silent):
            assert all(r.document % 2 == 0 for r in kind)


def test_draws_are_uniform_and_in_proportion():
    # One token a window, 4 windows; the largest codes' squares are as 1 : 2 : 3 : 4.
    codes = np.sqrt([[1.0], [2.0], [3.0], [4.0]])
    acts = Activations(
        np.zeros((4, 1)), documents=[0, 1, 2, 3], positions=[0] * 4, token_ids=[5, 6, 7, 8]
    )
    draws = {"random": np.zeros(4), "importance": np.zeros(4)}
    for seed in range(600):
        found = collect_records(codes, acts, n_random=1, n_importance=1, n_silent=0, seed=seed)[0]
        for kind, counts in draws.items():
            counts[getattr(found, kind)[0].document] += 1
    assert scipy.stats.chisquare(draws["random"]).pvalue > 1e-3
    expected = 600 * np.array([0.1, 0.2, 0.3, 0.4])
    assert scipy.stats.chisquare(draws["importance"], expected).pvalue > 1e-3


def test_bad_input(data):
    codes, acts = data
    with pytest.raises(TypeError, match="pass Activations"):
        collect_records(codes, np.asarray(acts))
    with pytest.raises(ValueError, match=r"codes have shape \(3, 6\)"):
        collect_records(codes[:3], acts)
    with pytest.raises(ValueError, match="codes contain NaN"):
        collect_records(codes * np.nan, acts)
    with pytest.raises(ValueError, match="pass codes of shape"):
        RecordCollector(2).update(codes, acts)
    with pytest.raises(ValueError, match="window=0"):
        RecordCollector(2, window=0)
