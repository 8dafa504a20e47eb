"""Statistics agree with slow ones over all codes at once, however the codes come."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skdict import Activations
from skdict.decomposition import IdentityDictionary
from skdict.inspection import FeatureStatistics, collect_records, write_report
from skdict.inspection.evidence import RecordCollector
from skdict.interpretation import FeatureInterpreter

N_DOCUMENTS, N_FEATURES = 60, 8
OPTIONS = {"window": 5, "n_top": 4, "n_random": 3, "n_silent": 2, "cooccurrence": True}
EXACT = ("counts_", "max_", "histogram_", "token_counts_", "cooccurrence_", "density_")
ROUNDED = ("mean_", "variance_", "skewness_", "kurtosis_", "mean_active_", "token_entropy_")


@pytest.fixture(scope="module")
def data():
    """Codes of whole halves, so that many are equal, and rows in documents of 3 to 16 tokens."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 17, N_DOCUMENTS)
    n = lengths.sum()
    codes = np.where(rng.random((n, N_FEATURES)) < 0.3, rng.integers(-1, 7, (n, N_FEATURES)) / 2, 0)
    codes[:, 6], codes[:, 7] = 0, 100 + rng.standard_normal(n) / 1000
    acts = Activations(
        rng.standard_normal((n, 10), dtype=np.float32),
        documents=np.repeat(np.arange(N_DOCUMENTS), lengths),
        positions=np.concatenate([np.arange(k) for k in lengths]),
        token_ids=rng.integers(0, 12, n),
        vocabulary=[f"t{i}" for i in range(12)],
    )
    return scipy.sparse.csr_array(codes.astype(np.float32)), acts


@pytest.fixture(scope="module")
def whole(data):
    return FeatureStatistics(**OPTIONS).partial_fit(*data)


def windows(statistics):
    """Return every window of every feature, as what can be compared."""
    return [
        [
            {(r.document, r.position, tuple(r.token_ids), tuple(r.codes)) for r in kind}
            for kind in (found.top, found.random, found.silent)
        ]
        for found in statistics.records()
    ]


def test_columns_are_those_of_the_whole_array(data, whole):
    codes, acts = data[0].toarray().astype(np.float64), data[1]
    fired = codes > 0
    assert (whole.n_tokens_, whole.n_documents_) == (len(acts), N_DOCUMENTS)
    assert np.array_equal(whole.counts_, fired.sum(axis=0))
    assert np.array_equal(whole.max_, codes.max(axis=0))
    assert np.allclose(whole.mean_, codes.mean(axis=0), rtol=1e-12)
    assert np.allclose(whole.variance_, codes.var(axis=0), rtol=1e-9)
    still = [j for j in range(N_FEATURES) if j != 6]
    assert np.allclose(whole.skewness_[still], scipy.stats.skew(codes[:, still]), rtol=1e-6)
    assert np.allclose(whole.kurtosis_[still], scipy.stats.kurtosis(codes[:, still]), rtol=1e-6)
    assert np.isnan([whole.skewness_[6], whole.kurtosis_[6], whole.token_entropy_[6]]).all()
    assert np.array_equal(whole.cooccurrence_, fired.T.astype(int) @ fired)
    for j in range(N_FEATURES):
        expected, _ = np.histogram(codes[fired[:, j], j], bins=whole.histogram_edges_)
        assert np.array_equal(whole.histogram_[j], expected)


def test_codes_beyond_the_outer_bins_are_in_them(data):
    acts = data[1][data[1].documents == 0]
    codes = np.zeros((len(acts), 1))
    codes[:3, 0] = 1e-9, 1e9, 1.0
    histogram = FeatureStatistics().fit(codes, acts).histogram_[0]
    assert np.flatnonzero(histogram).tolist() == [0, 64, 127]


def test_token_tables_are_those_of_counting(data, whole):
    codes, acts = data[0].toarray(), data[1]
    for j in (0, 3, 7):
        table = whole.token_table(j)
        for i, token in enumerate(table.token_ids):
            here = acts.token_ids == token
            fired = codes[here, j] > 0
            assert (table.firings[i], table.occurrences[i]) == (fired.sum(), here.sum())
            assert table.probability[i] == pytest.approx(fired.mean())
            given = (acts.token_ids[codes[:, j] > 0] == token).mean()
            assert table.lift[i] == pytest.approx(given / here.mean())
        assert table.share.sum() == pytest.approx(1)
        assert whole.token_entropy_[j] == pytest.approx(
            scipy.stats.entropy(table.share) / np.log(12)
        )
        assert whole.single_token_share_[j] == pytest.approx(table.share.max())
        assert table.tokens[0] == f"t{table.token_ids[0]}"
    assert len(whole.token_table(6)) == 0


@pytest.mark.parametrize("by", ["share", "probability", "lift", "firings"])
def test_token_tables_are_ordered_and_cut(whole, by):
    table = whole.token_table(1, by=by)
    pairs = list(zip(-getattr(table, by).astype(np.float32), table.token_ids, strict=True))
    assert pairs == sorted(pairs)
    frequent = whole.token_table(1, by=by, min_count=50)
    assert frequent.token_ids.tolist() == table.token_ids[table.occurrences >= 50].tolist()
    assert 0 < len(frequent) < len(table)
    assert whole.token_table(1, n_tokens=3, by=by).tokens == table.tokens[:3]


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("per_block", [1, 7])
def test_neither_order_nor_blocks_matter(data, whole, merged, per_block):
    codes, acts = data
    parts = [FeatureStatistics(**OPTIONS) for _ in range(3 if merged else 1)]
    documents = np.random.default_rng(per_block).permutation(N_DOCUMENTS)
    for i in range(0, N_DOCUMENTS, per_block):
        rows = np.isin(acts.documents, documents[i : i + per_block])
        parts[i % len(parts)].partial_fit(codes[rows], acts[rows])
    statistics = FeatureStatistics(**OPTIONS)
    for part in parts:
        statistics.merge(part)
    assert (statistics.n_tokens_, statistics.n_documents_) == (len(acts), N_DOCUMENTS)
    for name in EXACT:
        assert np.array_equal(getattr(statistics, name), getattr(whole, name)), name
    for name in ROUNDED:
        found, expected = getattr(statistics, name), getattr(whole, name)
        assert np.allclose(found, expected, rtol=1e-9, equal_nan=True), name
    assert windows(statistics) == windows(whole)
    for j in range(N_FEATURES):
        for by in ("share", "probability"):
            found, expected = (s.token_table(j, by=by) for s in (statistics, whole))
            assert found.tokens == expected.tokens
            assert np.allclose(found.share, expected.share, rtol=1e-12)


def test_parts_stay_as_they_are_when_merged(data):
    codes, acts = data
    half = acts.documents < 30
    first, second = (
        FeatureStatistics(**OPTIONS).partial_fit(codes[r], acts[r]) for r in (half, ~half)
    )
    before = second.to_dict()
    first.merge(second)
    first.merge(FeatureStatistics(**OPTIONS))
    for name, values in second.to_dict().items():
        assert np.array_equal(values, before[name], equal_nan=True), name


def test_windows_are_those_of_the_records(data, whole):
    codes, acts = data
    wanted = {"window": 5, "n_top": 4, "n_random": 3, "n_silent": 2}
    collector = RecordCollector(N_FEATURES, **wanted).update(codes, acts)
    assert windows(whole) == windows(collector)
    assert len(collect_records(codes, acts, **wanted)[0].top) == len(whole.records()[0].top) == 4


def test_any_dictionary_is_encoded_block_by_block(data):
    acts = data[1]
    pca = PCA(4).fit(np.asarray(acts))
    statistics = FeatureStatistics.from_estimator(pca, acts, n_top=2)
    expected = FeatureStatistics(n_top=2).fit(pca.transform(np.asarray(acts)), acts)
    assert np.array_equal(statistics.counts_, expected.counts_)
    assert np.allclose(statistics.variance_, pca.explained_variance_ * (len(acts) - 1) / len(acts))
    with pytest.raises(TypeError, match="pass Activations"):
        FeatureStatistics.from_estimator(pca, np.asarray(acts))


def test_frames_and_pickles(data, whole):
    frame = whole.to_frame()
    assert frame.shape == (N_FEATURES, 10)
    assert frame["density"].tolist() == whole.density_.tolist()
    assert whole.token_table(0).to_frame()["tokens"].tolist() == whole.token_table(0).tokens
    again = pickle.loads(pickle.dumps(whole)).merge(FeatureStatistics(**OPTIONS))
    assert np.array_equal(again.counts_, whole.counts_)


def test_fit_forgets_and_leaves_codes_as_they_are(data, whole):
    codes, acts = data
    doubled = scipy.sparse.csr_array(
        (np.tile(codes.data, 2) / 2, np.tile(codes.indices, 2), codes.indptr * 0), codes.shape
    )
    doubled.indptr = codes.indptr * 2
    rows = [slice(*codes.indptr[i : i + 2]) for i in range(codes.shape[0])]
    doubled.indices = np.concatenate([np.tile(codes.indices[r], 2) for r in rows])
    doubled.data = np.concatenate([np.tile(codes.data[r] / 2, 2) for r in rows])
    statistics = FeatureStatistics(**OPTIONS).fit(codes, acts).fit(doubled, acts)
    assert doubled.nnz == 2 * codes.nnz
    assert np.array_equal(statistics.counts_, whole.counts_)
    assert windows(statistics) == windows(whole)


def test_bad_input(data, whole):
    codes, acts = data
    with pytest.raises(TypeError, match="pass Activations"):
        FeatureStatistics().fit(codes, np.asarray(acts))
    with pytest.raises(ValueError, match="of shape"):
        FeatureStatistics().fit(codes[:3], acts)
    wrong = codes.toarray()
    wrong[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        FeatureStatistics().fit(wrong, acts)
    with pytest.raises(ValueError, match="already seen in an earlier call"):
        FeatureStatistics().partial_fit(codes[:2], acts[:2]).partial_fit(codes[2:], acts[2:])
    with pytest.raises(ValueError, match="codes of one dictionary"):
        FeatureStatistics().fit(codes, acts).partial_fit(codes[:, :2], acts)
    with pytest.raises(ValueError, match=r"window=5 and 64.* equal parameters"):
        FeatureStatistics(**OPTIONS).merge(FeatureStatistics())
    with pytest.raises(NotFittedError, match="call fit or partial_fit"):
        FeatureStatistics().token_table(0)
    with pytest.raises(ValueError, match="feature=8"):
        whole.token_table(8)
    with pytest.raises(ValueError, match="by='mass'"):
        whole.token_table(0, by="mass")
    bare = FeatureStatistics(token_tables=False).fit(codes, acts)
    assert "token_entropy" not in bare.to_dict()
    with pytest.raises(AttributeError, match="token_tables=True"):
        bare.token_table(0)
    with pytest.raises(AttributeError, match="cooccurrence=True"):
        _ = bare.cooccurrence_
    wide = scipy.sparse.csr_array((len(acts), 8193))
    with pytest.raises(ValueError, match="at most 8192"):
        FeatureStatistics(cooccurrence=True).fit(wide, acts)


# Kind M: a dictionary that never fires has statistics, and a report.


@pytest.mark.parametrize(
    "codes", [scipy.sparse.csr_array((4, 3)), np.zeros((4, 3)), -np.ones((4, 3))]
)
def test_a_dead_dictionary(codes):
    acts = Activations(
        np.ones((4, 2), "f4"),
        documents=[0, 0, 1, 1],
        positions=[0, 1, 0, 1],
        token_ids=[0, 1, 0, 1],
        vocabulary=["a", "b"],
    )
    statistics = FeatureStatistics(n_random=2, n_silent=2).fit(codes, acts)
    for name in ("token_entropy_", "single_token_share_"):
        assert np.isnan(getattr(statistics, name)).tolist() == [True] * 3
    for name in ("counts_", "density_", "max_", "mean_active_"):
        assert getattr(statistics, name).tolist() == [0, 0, 0]
    assert len(statistics.token_table(0)) == 0
    assert len(statistics.records()[0].silent) == 1
    assert set(statistics.to_dict()) == set(FeatureStatistics().fit(np.eye(4), acts).to_dict())


class Dead(IdentityDictionary):
    """A dictionary without any code."""

    def transform(self, X):
        return np.zeros((len(X), len(self.components_)), np.float32)


def test_a_report_of_a_dead_dictionary_opens(tmp_path):
    acts = Activations(
        np.random.default_rng(0).standard_normal((6, 2)).astype("f4"),
        documents=[0, 0, 1, 1, 2, 2],
        positions=[0, 1] * 3,
        token_ids=[0, 1] * 3,
        vocabulary=["a", "b"],
    )
    dead = Dead().fit(np.asarray(acts))
    scores = FeatureInterpreter(dead, prefit=True, random_state=0).fit(acts)
    assert scores.status_.tolist() == ["dead", "dead"]
    write_report(tmp_path / "report.html", dead, acts, scores=scores, verbose=False)
    assert "never fire" in (tmp_path / "report.html").read_text()
