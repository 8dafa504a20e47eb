"""The table agrees with measures taken one by one, for ours and scikit-learn's."""

import numpy as np
import pytest
import scipy.sparse
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
    assert table["random"]["fvu_spread"] == pytest.approx(np.ptp(each) / 2, rel=1e-4)
    assert np.isnan(table["pca"]["fvu_spread"])
    nested = {"nested": make_pipeline(PCA(8), RandomDictionary(32))}
    assert compare_dictionaries(nested, train, test, n_seeds=2)["nested"]["fvu_spread"] > 0
    with pytest.raises(ValueError, match="n_seeds=0"):
        compare_dictionaries(methods, train, test, n_seeds=0)


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
    assert str(table).splitlines()[0].split() == list(table.records[0])
    assert "&lt;b&gt;" in table._repr_html_()
    assert len(table) == 2
    pytest.importorskip("pandas")
    assert list(table.to_frame().index) == ["pca", "<b>"]
    with pytest.raises(KeyError, match="there are 'pca'"):
        table["ica"]


def test_bad_input(data):
    train, test = data
    with pytest.raises(ValueError, match="pass a dict"):
        compare_dictionaries([], train, test)
    with pytest.raises(ValueError, match="'pca' is not fitted; pass rows"):
        compare_dictionaries({"pca": PCA(2)}, None, test)
    with pytest.raises(ValueError, match="n_active=0"):
        compare_dictionaries({"pca": PCA(2)}, train, test, n_active=0)
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
