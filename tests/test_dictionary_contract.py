"""What holds for every dictionary on the list, ours and scikit-learn's."""

import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
)

from skdict import SparseDictionaryAutoencoder
from skdict._core import AffineDictionary, HostDictionary
from skdict.decomposition import (
    check_is_dictionary,
    dictionary_atoms,
    dictionary_offset,
    to_torch,
)
from tests.dictionaries import ALL, ON_THE_HOST, OURS, THEIRS, WIDTH, dense


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).random((200, WIDTH), dtype=np.float32)


@pytest.fixture(scope="module")
def fitted(rows):
    return {name: clone(dictionary).fit(rows) for name, dictionary in ALL.items()}


every = pytest.mark.parametrize("name", ALL)
ours = pytest.mark.parametrize("name", OURS)


@every
def test_it_is_a_dictionary_with_matching_shapes(name, fitted, rows):
    dictionary = fitted[name]
    last = check_is_dictionary(dictionary)
    codes = dictionary.transform(rows)
    assert codes.shape == (len(rows), len(last.components_))
    assert dictionary.inverse_transform(codes).shape == rows.shape
    assert dictionary_atoms(dictionary).shape == (codes.shape[1], WIDTH)
    assert dictionary_offset(dictionary).shape == (WIDTH,)


@every
def test_decoding_is_codes_times_atoms_plus_offset(name, fitted, rows):
    dictionary = fitted[name]
    codes = dictionary.transform(rows)
    expected = dense(codes) @ dictionary_atoms(dictionary) + dictionary_offset(dictionary)
    np.testing.assert_allclose(dictionary.inverse_transform(codes), expected, atol=1e-4)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_equal_arrays(name, fitted, rows, dtype):
    dictionary = fitted[name]
    tensors = to_torch(dictionary, device="cpu", dtype=dtype)
    assert isinstance(tensors, HostDictionary if name in ON_THE_HOST else AffineDictionary)
    x = torch.from_numpy(rows.astype(dtype))
    codes = tensors.encode(x)
    assert codes.dtype == x.dtype
    np.testing.assert_allclose(codes.numpy(), dense(dictionary.transform(rows)), atol=2e-4)
    rebuilt = dictionary.inverse_transform(dictionary.transform(rows))
    np.testing.assert_allclose(tensors.decode(codes).numpy(), rebuilt, atol=2e-4)


@every
def test_tensors_take_leading_axes_and_move(name, fitted, rows):
    tensors = to_torch(fitted[name], device="cpu")
    x = torch.from_numpy(rows[:12])
    stacked = tensors.encode(x.reshape(3, 4, WIDTH))
    torch.testing.assert_close(stacked.reshape(12, -1), tensors.encode(x), atol=1e-5, rtol=1e-4)
    moved = tensors.to(torch.float64)
    assert moved.decode(moved.encode(x.double())).dtype == torch.float64


@every
def test_copies_are_bit_equal(name, fitted, rows, tmp_path):
    dictionary = fitted[name]
    codes = dense(dictionary.transform(rows))
    joblib.dump(dictionary, tmp_path / "dictionary.joblib")
    copies = [
        pickle.loads(pickle.dumps(dictionary)),
        joblib.load(tmp_path / "dictionary.joblib"),
        joblib.load(tmp_path / "dictionary.joblib", mmap_mode="r"),
    ]
    for copy in copies:
        # Loaded arrays are aligned in another way, which some products of theirs show.
        atol = 1e-12 if name in THEIRS else 0
        np.testing.assert_allclose(dense(copy.transform(rows)), codes, rtol=0, atol=atol)
    again = clone(dictionary).fit(rows)
    np.testing.assert_allclose(dense(again.transform(rows)), codes, atol=1e-6)


@every
def test_a_wrong_width_is_refused(name, fitted, rows):
    with pytest.raises(ValueError, match=f"{WIDTH} features"):
        fitted[name].transform(rows[:, :4])


@every
def test_rows_do_not_depend_on_their_batch(name, fitted, rows):
    dictionary = fitted[name]
    whole = dense(dictionary.transform(rows))
    alone = np.vstack([dense(dictionary.transform(rows[i : i + 1])) for i in range(0, 200, 40)])
    # Each row's own arithmetic, to rounding; scikit-learn's solvers stop by a tolerance.
    atol = 1e-2 if name in ON_THE_HOST else 2e-6
    np.testing.assert_allclose(alone, whole[::40], atol=atol)
    if name in OURS:
        np.testing.assert_array_equal(alone != 0, whole[::40] != 0)


@every
def test_sparse_codes_decode_as_dense_ones(name, fitted, rows):
    dictionary = fitted[name]
    codes = dense(dictionary.transform(rows))
    if name in OURS:
        sparse = dictionary.inverse_transform(scipy.sparse.csr_array(codes))
        np.testing.assert_allclose(sparse, dictionary.inverse_transform(codes), atol=1e-5)


@ours
@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        torch.from_numpy,
        lambda X: torch.from_numpy(X).requires_grad_(),
        lambda X: np.broadcast_to(X, X.shape),
    ],
    ids=["fortran", "strided", "tensor", "gradient", "read-only"],
)
def test_rows_of_every_kind(name, fitted, rows, change):
    expected = dense(fitted[name].transform(rows))
    np.testing.assert_array_equal(dense(fitted[name].transform(change(rows.copy()))), expected)


@ours
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rows(name, fitted, rows, dtype):
    half = torch.from_numpy(rows).to(dtype)
    expected = dense(fitted[name].transform(half.float().numpy()))
    np.testing.assert_array_equal(dense(fitted[name].transform(half)), expected)


@ours
def test_float64_is_honest(name, rows):
    X = rows.astype(np.float64)
    double, single = clone(OURS[name]).fit(X), clone(OURS[name]).fit(rows)
    assert double.transform(X).dtype == double.components_.dtype == np.float64
    assert single.transform(rows).dtype == single.components_.dtype == np.float32
    once, again = (double.inverse_transform(double.transform(x)) for x in (X, X.copy()))
    np.testing.assert_array_equal(once, again)
    atoms, offset = dictionary_atoms(double), dictionary_offset(double)
    expected = dense(double.transform(X)) @ atoms + offset
    np.testing.assert_allclose(once, expected, atol=1e-12)


@ours
def test_names_of_features(name, fitted):
    names = fitted[name].get_feature_names_out()
    assert len(names) == len(set(names)) == len(fitted[name].components_)


def test_a_large_mean_does_not_cancel_the_atoms():
    rows = np.random.default_rng(0).standard_normal((500, 64), dtype=np.float32)
    rows[:, 3] += 3000
    sae = SparseDictionaryAutoencoder(max_iter=1, random_state=0).fit(rows)
    np.testing.assert_allclose(dictionary_atoms(sae), sae.components_, atol=1e-6)
    tensors = to_torch(sae, device="cpu")
    x = torch.from_numpy(rows)
    codes = tensors.encode(x).numpy()
    np.testing.assert_allclose(codes, sae.transform(rows).toarray(), atol=1e-2)


@pytest.mark.parametrize(
    "bent",
    [
        FunctionTransformer(np.abs, inverse_func=np.positive),
        MinMaxScaler(clip=True),
    ],
)
def test_steps_that_bend_or_clip_are_not_taken_for_affine(bent):
    rows = 100 * np.random.default_rng(0).standard_normal((200, WIDTH)).astype(np.float32)
    pipeline = make_pipeline(bent, PCA(3)).fit(rows)
    tensors = to_torch(pipeline, device="cpu")
    assert isinstance(tensors, HostDictionary)
    far = torch.from_numpy(3 * rows)
    np.testing.assert_allclose(
        tensors.encode(far).numpy(), pipeline.transform(3 * rows), rtol=1e-3, atol=1e-3
    )


def test_host_dictionaries_take_half_precision(fitted, rows):
    tensors = to_torch(fitted["nmf"], device="cpu")
    for dtype in (torch.float16, torch.bfloat16):
        assert tensors.decode(tensors.encode(torch.from_numpy(rows).to(dtype))).shape == (200, 6)


def test_what_is_no_dictionary_is_refused(rows):
    kmeans = KMeans(2, n_init=1).fit(rows)
    for function in (check_is_dictionary, dictionary_atoms, dictionary_offset, to_torch):
        with pytest.raises(TypeError, match="KMeans has no components_, inverse_transform"):
            function(kmeans)
    nonlinear = make_pipeline(PowerTransformer(), PCA(3)).fit(rows)
    for function in (dictionary_atoms, to_torch):
        with pytest.raises(ValueError, match="leave nonlinear steps out"):
            function(nonlinear)
    with pytest.raises(ValueError, match="'float32', 'float64'"):
        to_torch(PCA(2).fit(rows), dtype="float16")
