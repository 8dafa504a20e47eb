"""The table agrees with measures taken one by one, for ours and scikit-learn's."""

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, FastICA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.random_projection import GaussianRandomProjection

from skdict import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
)
from skdict.datasets import make_sparse_features
from skdict.metrics import fvu, l0
from skdict.metrics._compare import mean_interval


@pytest.fixture(scope="module")
def data():
    X = make_sparse_features(3000, n_features=16, n_components=32, n_active=2, random_state=0).X
    return X[:2000], X[2000:]


@pytest.fixture(scope="module")
def methods():
    return {
        "sae": SparseDictionaryAutoencoder(32, random_state=0, max_iter=5),
        "pca": PCA(8),
        "ica": FastICA(8, random_state=0, whiten="unit-variance"),
        "projection": GaussianRandomProjection(8, compute_inverse_components=True, random_state=0),
        "random": RandomDictionary(32, random_state=0),
        "neurons": IdentityDictionary(),
    }


def test_measures_agree_with_the_functions(data, methods):
    train, test = data
    table = compare_dictionaries(methods, train, test)
    assert [record["dictionary"] for record in table.records] == list(methods)
    for name, method in methods.items():
        fitted = method.fit(train)
        codes = fitted.transform(test)
        record = table[name]
        assert record["fvu"] == pytest.approx(fvu(test, fitted.inverse_transform(codes)), abs=1e-5)
        assert record["l0"] == pytest.approx(l0(codes))
        assert record["n_components"] == codes.shape[1]


def test_unfitted_ones_are_cloned_and_fitted_ones_kept(data):
    train, test = data
    unfitted, fitted = PCA(3), PCA(3).fit(test)
    table = compare_dictionaries({"a": unfitted, "b": fitted}, train, test)
    assert not hasattr(unfitted, "components_")
    assert table["b"]["fvu"] < table["a"]["fvu"]


def test_several_seeds(data):
    train, test = data
    methods = {"random": RandomDictionary(32), "pca": PCA(3).fit(train)}
    table = compare_dictionaries(methods, train, test, n_seeds=3)
    each = [fvu_of(RandomDictionary(32, random_state=s).fit(train), test) for s in range(3)]
    assert table["random"]["fvu"] == pytest.approx(np.mean(each), rel=1e-5)
    interval = scipy.stats.ttest_1samp(each, 0).confidence_interval(0.95)
    assert table["random"]["fvu_low"] == pytest.approx(interval.low, rel=1e-5)
    assert table["random"]["fvu_high"] == pytest.approx(interval.high, rel=1e-5)
    assert list(table.records[0])[2:5] == ["fvu", "fvu_low", "fvu_high"]
    assert np.isnan([table["pca"]["fvu_low"], table["pca"]["fvu_high"]]).all()
    nested = {"nested": make_pipeline(PCA(8), RandomDictionary(32))}
    record = compare_dictionaries(nested, train, test, n_seeds=2)["nested"]
    assert record["fvu_low"] < record["fvu"] < record["fvu_high"]
    assert "fvu_low" not in compare_dictionaries(nested, train, test)["nested"]
    with pytest.raises(ValueError, match="n_seeds=0"):
        compare_dictionaries(methods, train, test, n_seeds=0)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_intervals_are_students(n):
    values = np.random.default_rng(n).normal(0.3, 0.1, n)
    expected = scipy.stats.t.interval(0.95, n - 1, values.mean(), scipy.stats.sem(values))
    assert mean_interval(values.tolist()) == pytest.approx(expected)
    assert mean_interval([0.25] * n) == (0.25, 0.25)
    assert np.isnan(mean_interval([0.3])).all()


def test_intervals_hold_the_mean_as_often_as_they_say():
    draws = np.random.default_rng(0).normal(2.0, 3.0, (4000, 3))
    bounds = np.array([mean_interval(draw.tolist()) for draw in draws])
    held = ((bounds[:, 0] < 2.0) & (bounds[:, 1] > 2.0)).mean()
    # Four standard errors of a share of 0.95 over 4,000 draws.
    assert abs(held - 0.95) < 0.014


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_several_numbers_of_codes_in_one_table(data, methods, kind):
    train, test = data
    cuts = [4, 1, 8]
    table = compare_dictionaries(methods, train, test, n_active=kind(cuts), n_seeds=2)
    assert len(table) == len(methods) * 3
    for cut in cuts:
        alone = compare_dictionaries(methods, train, test, n_active=cut, n_seeds=2)
        for name in methods:
            expected = alone[name] | {"n_active": cut}
            assert table[name, cut] == pytest.approx(expected, nan_ok=True)


def test_several_numbers_take_one_fit_and_one_pass(data):
    calls = []

    class Counted(PCA):
        def fit(self, X, y=None):
            calls.append("fit")
            return super().fit(X)

        def transform(self, X):
            calls.append(len(X))
            return super().transform(X)

    train, test = data
    compare_dictionaries({"pca": Counted(4)}, train, test, n_active=[1, 2, 3])
    assert calls == ["fit", len(test)]


def test_tables_of_several_numbers(data):
    train, test = data
    methods = {"pca": PCA(4), "neurons": IdentityDictionary()}
    table = compare_dictionaries(methods, train, test, n_active=[2, 4])
    assert str(table).splitlines()[0].split()[:2] == ["dictionary", "n_active"]
    assert [row.split()[:2] for row in str(table).splitlines()[1:3]] == [["pca", "2"], ["pca", "4"]]
    part = table["neurons"]
    assert [record["n_active"] for record in part.records] == [2, 4]
    assert part["neurons", 4]["fvu"] < part["neurons", 2]["fvu"]
    assert table._repr_html_().count("<tr>") == 5
    with pytest.raises(KeyError, match=r"\('pca', 3\) is not in the table; .*\('pca', 2\)"):
        table["pca", 3]
    # One number in a list is a table of one number still.
    assert compare_dictionaries(methods, train, test, n_active=[2])["pca", 2]["l0"] == 2
    pytest.importorskip("pandas")
    frame = table.to_frame()
    assert frame.index.names == ["dictionary", "n_active"]
    assert frame.loc[("pca", 4), "fvu"] == table["pca", 4]["fvu"]
    assert list(frame.loc["pca"].index) == [2, 4]


def fvu_of(dictionary, X):
    return fvu(X, dictionary.inverse_transform(dictionary.transform(X)))


def test_equal_sparsity_keeps_the_strongest(data, methods):
    train, test = data
    table = compare_dictionaries(methods, train, test, n_active=2)
    assert all(record["l0"] <= 2 for record in table.records)
    pca = PCA(8).fit(train)
    codes = pca.transform(test)
    weakest = np.argsort(-np.abs(codes), axis=1)[:, 2:]
    np.put_along_axis(codes, weakest, 0, axis=1)
    assert table["pca"]["fvu"] == pytest.approx(fvu(test, pca.inverse_transform(codes)), rel=1e-4)
    assert table["sae"]["fvu"] < table["pca"]["fvu"] < table["random"]["fvu"]


def test_strength_counts_the_length_of_the_atom(data):
    train, _ = data
    # Whitening makes all codes alike in size: only atom lengths tell what matters.
    plain = PCA(8).fit(train)
    whitened = PCA(8, whiten=True).fit(train)
    table = compare_dictionaries({"a": plain, "b": whitened}, None, train, n_active=3)
    assert table["a"]["fvu"] == pytest.approx(table["b"]["fvu"], rel=1e-4)


def test_data_frames(data):
    pd = pytest.importorskip("pandas")
    train, test = map(pd.DataFrame, data)
    pca = PCA(3).fit(train.to_numpy()).set_output(transform="pandas")
    framed = compare_dictionaries({"pca": pca}, None, test, n_active=2)["pca"]
    plain = compare_dictionaries({"pca": PCA(3)}, data[0], data[1], n_active=2)["pca"]
    assert framed["fvu"] == pytest.approx(plain["fvu"])


def test_nonlinear_decoding_is_measured_as_it_is_and_has_no_atoms(data):
    train, _ = data
    pipeline = make_pipeline(PowerTransformer(), PCA(16)).fit(train)
    assert compare_dictionaries({"pipeline": pipeline}, None, train)["pipeline"]["fvu"] < 1e-6
    with pytest.raises(ValueError, match="does not decode by a sum of atoms"):
        compare_dictionaries({"pipeline": pipeline}, None, train, n_active=2)


def test_table_shows_itself(data):
    _, test = data
    table = compare_dictionaries({"pca": PCA(2), "<b>": IdentityDictionary()}, test, test)
    # Without outlier rows the two FVU are equal, and one is shown.
    shown = [name for name in table.records[0] if name != "fvu_inliers"]
    assert str(table).splitlines()[0].split() == shown
    assert "&lt;b&gt;" in table._repr_html_()
    assert len(table) == 2
    pytest.importorskip("pandas")
    assert list(table.to_frame().index) == ["pca", "<b>"]
    with pytest.raises(KeyError, match="use one of 'pca'"):
        table["ica"]


def test_bad_input(data):
    train, test = data
    with pytest.raises(ValueError, match="pass a dict"):
        compare_dictionaries([], train, test)
    with pytest.raises(ValueError, match="'pca' is not fitted and train is None; pass rows"):
        compare_dictionaries({"pca": PCA(2)}, None, test)
    with pytest.raises(ValueError, match="n_active=0"):
        compare_dictionaries({"pca": PCA(2)}, train, test, n_active=0)
    for cuts in ([], [2, 2]):
        with pytest.raises(ValueError, match=r"n_active=\[.*at least one number, each once"):
            compare_dictionaries({"pca": PCA(2)}, train, test, n_active=cuts)
    for cuts, error in [([2, 0], ValueError), ([1.5], TypeError), ("8", TypeError)]:
        with pytest.raises(error, match="n_active=.* is not accepted: pass an integer >= 1"):
            compare_dictionaries({"pca": PCA(2)}, train, test, n_active=cuts)
    with pytest.raises(TypeError, match="KMeans has no components_"):
        compare_dictionaries({"kmeans": KMeans(2, n_init=1)}, train, test, n_active=1)
    with pytest.raises(TypeError, match="KMeans has no components_"):
        compare_dictionaries({"kmeans": KMeans(2, n_init=1)}, train, test)
    with pytest.raises(ValueError, match="2D array"):
        compare_dictionaries({"pca": PCA(2)}, train, test[0])
    with pytest.raises(TypeError, match="[Ss]parse"):
        compare_dictionaries({"pca": PCA(2)}, train, scipy.sparse.csr_array(test))
    with pytest.raises(ValueError, match="do not vary"):
        compare_dictionaries({"pca": PCA(2)}, train, test[:1])


def test_scorers_measure_what_is_measured(data, methods):
    train, test = data

    def error(dictionary, X):
        return fvu(X, dictionary.inverse_transform(dictionary.transform(X)))

    table = compare_dictionaries(methods, train, test, n_active=[2, 4], scorers=[error])
    for record in table.records:
        assert record["error"] == pytest.approx(record["fvu"], abs=1e-4)
    uncut = compare_dictionaries(methods, train, test, scorers={"mine": error})
    assert uncut["pca"]["mine"] == pytest.approx(uncut["pca"]["fvu"], abs=1e-5)


class Two:
    """A scorer of two measures, one of them in every table."""

    def __call__(self, dictionary, X):
        return 0.0

    def measure(self, dictionary, X):
        return {"mine": float(dictionary.components_[0, 0]), "n_dead": -1}


def test_scorers_of_several_measures(data):
    train, test = data
    methods = {"random": RandomDictionary(4), "pca": PCA(3).fit(train)}
    table = compare_dictionaries(methods, train, test, n_seeds=3, scorers=[Two()])
    each = [RandomDictionary(4, random_state=s).fit(train).components_[0, 0] for s in range(3)]
    assert table["random"]["mine"] == pytest.approx(np.mean(each))
    assert table["random"]["n_dead"] == 0
    named = compare_dictionaries(methods, train, test, scorers={"a": Two(), "b": Two()})
    assert named["pca"]["a_mine"] == named["pca"]["b_mine"] == table["pca"]["mine"]
    difference = table.difference("mine", "random", "pca")
    paired = scipy.stats.ttest_1samp(np.array(each) - table["pca"]["mine"], 0)
    interval = paired.confidence_interval(0.95)
    expected = np.mean(each) - table["pca"]["mine"], interval.low, interval.high
    assert difference == pytest.approx(expected)
    with pytest.raises(KeyError, match="'yours' is not a measure; use one of"):
        table.difference("yours", "random", "pca")
    with pytest.raises(ValueError, match="two scorers return 'mine'; pass scorers as a dict"):
        compare_dictionaries(methods, train, test, scorers=[Two(), Two()])
    for scorers in (Two(), [3]):
        with pytest.raises(TypeError, match="scorer"):
            compare_dictionaries(methods, train, test, scorers=scorers)


def test_differences_are_paired(data):
    train, test = data
    methods = {"a": RandomDictionary(32), "b": RandomDictionary(32)}
    table = compare_dictionaries(methods, train, test, n_seeds=3, n_active=[2, 4])
    # The same seeds, the same directions: nothing is left to differ.
    assert table.difference("fvu", ("a", 2), ("b", 2)) == (0, 0, 0)
    assert table["a"].difference("fvu", ("a", 4), ("a", 2))[0] < 0
