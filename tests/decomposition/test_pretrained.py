"""Published dictionaries behave as frozen estimators."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import SparseDictionaryAutoencoder, compare_dictionaries
from skdict._core import Weights
from skdict.decomposition import (
    PretrainedDictionary,
    PretrainedTranscoder,
    SparseTranscoder,
    TopKDictionary,
    is_transcoder,
    to_torch,
)

D, N, D_OUT = 5, 8, 4


@pytest.fixture
def rows():
    return np.random.default_rng(1).standard_normal((300, D))


def unit(array):
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def weights(dtype=np.float64, **others):
    rng = np.random.default_rng(0)
    arrays = {
        "components": unit(rng.standard_normal((N, D))),
        "encoder": rng.standard_normal((N, D)),
        "encoder_bias": rng.standard_normal(N),
        "mean": rng.standard_normal(D),
        "thresholds": rng.random(N),
        "code_gains": rng.random(N) + 0.5,
    } | others
    return Weights(**{name: array.astype(dtype) for name, array in arrays.items()}, scale=1.0)


@pytest.fixture
def dictionary():
    return PretrainedDictionary._of(weights(), {"model": "m"})


@pytest.fixture
def transcoder():
    rng = np.random.default_rng(2)
    targets = {
        "components": unit(rng.standard_normal((N, D_OUT))),
        "target_mean": rng.standard_normal(D_OUT),
        "skip": rng.standard_normal((D, D_OUT)),
    }
    return PretrainedTranscoder._of(weights(**targets), {})


def test_it_is_used_as_it_is(dictionary, rows):
    assert clone(dictionary) is dictionary
    before = dictionary.components_.copy()
    assert dictionary.fit(rows) is dictionary
    assert dictionary.fit_transform(rows).shape == (300, N)
    np.testing.assert_array_equal(dictionary.components_, before)
    pipeline = make_pipeline(StandardScaler(), dictionary).fit(rows)
    assert pipeline[-1] is dictionary
    again = pickle.loads(pickle.dumps(dictionary))
    np.testing.assert_array_equal(
        again.transform(rows).toarray(), dictionary.transform(rows).toarray()
    )
    assert TopKDictionary(dictionary, k=2).fit(rows).dictionary_ is dictionary
    table = compare_dictionaries({"published": dictionary}, None, rows).records[0]
    assert table["fvu"] == pytest.approx(1 - dictionary.score(rows))


def test_other_widths_and_unloaded_ones_are_refused(dictionary, rows):
    for method in (dictionary.fit, dictionary.transform, dictionary.score):
        with pytest.raises(ValueError, match=f"expecting {D} features"):
            method(rows[:, :3])
    for method in ("fit", "transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(PretrainedDictionary(), method)(rows)


def test_the_form_of_its_codes(dictionary, rows):
    w = Weights.of(dictionary)
    pre = (rows - w.mean) @ w.encoder.T + w.encoder_bias
    codes = np.where(pre > w.thresholds, w.code_gains * pre, 0)
    np.testing.assert_allclose(dictionary.transform(rows).toarray(), codes, atol=1e-12)
    dense = dictionary.set_params(sparse_output=False).transform(rows)
    np.testing.assert_allclose(dense, codes, atol=1e-12)
    rebuilt = dictionary.inverse_transform(dense)
    np.testing.assert_allclose(rebuilt, codes @ w.components + w.mean, atol=1e-12)
    assert dictionary.get_feature_names_out()[0] == "pretraineddictionary0"


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_normalised_are_read_like_any_others(kind, dtype, rows, tmp_path):
    dictionary = PretrainedDictionary._of(weights(dtype), {}, row_norm=kind)
    rows = rows.astype(dtype)
    codes = dictionary.transform(rows)
    assert codes.dtype == dtype
    # Codes of normalised rows do not depend on the scale of the rows.
    scaled = dictionary.transform(4 * rows).toarray()
    np.testing.assert_allclose(scaled, codes.toarray(), rtol=1e-3, atol=1e-4)
    rebuilt = dictionary.inverse_transform(codes, rows)
    np.testing.assert_allclose(
        dictionary.inverse_transform(dictionary.transform(4 * rows), 4 * rows),
        4 * rebuilt,
        rtol=1e-3,
        atol=1e-3,
    )
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for other in (mapped, torch.from_numpy(rows), rows.tolist()):
        np.testing.assert_allclose(
            dictionary.transform(other).toarray(), codes.toarray(), atol=1e-5
        )
    rows[7, 2] = np.nan
    with pytest.raises(ValueError, match="row 7"):
        dictionary.transform(rows)


def test_rows_of_zeros_stay_zero():
    dictionary = PretrainedDictionary._of(weights(), {}, row_norm="constant_norm")
    rows = np.zeros((1, D))
    plain = PretrainedDictionary._of(weights(), {})
    codes = dictionary.transform(rows)
    np.testing.assert_array_equal(codes.toarray(), plain.transform(rows).toarray())


def test_a_transcoder_predicts_and_does_not_reconstruct(transcoder, rows):
    w = Weights.of(transcoder)
    codes = transcoder.transform(rows)
    decoded = codes @ w.components + w.target_mean
    np.testing.assert_allclose(transcoder.inverse_transform(codes), decoded, atol=1e-12)
    expected = decoded + (rows - w.mean) @ w.skip
    np.testing.assert_allclose(transcoder.predict(rows), expected, atol=1e-12)
    frozen = to_torch(transcoder, device="cpu", dtype="float64")
    np.testing.assert_allclose(frozen.predict(torch.from_numpy(rows)), expected, atol=1e-12)
    targets = expected + np.random.default_rng(0).standard_normal(expected.shape)
    errors, spread = targets - expected, targets - targets.mean(axis=0)
    assert transcoder.score(rows, targets) == pytest.approx(
        1 - (errors**2).sum() / (spread**2).sum()
    )
    assert is_transcoder(transcoder) and is_transcoder(PretrainedTranscoder())
    for use in (lambda: TopKDictionary(transcoder, k=2).fit(rows), lambda: transcoder.score(rows)):
        with pytest.raises((ValueError, TypeError)):
            use()
    with pytest.raises(ValueError, match="predicts other rows"):
        compare_dictionaries({"t": transcoder}, None, rows)


def test_training_starts_from_a_transcoder(transcoder, rows):
    again = SparseTranscoder(
        skip_connection=True,
        activation="jumprelu",
        alpha=1e-9,
        dict_init=transcoder,
        max_iter=1,
        learning_rate=1e-9,
    )
    codes = again.fit(rows, transcoder.predict(rows)).transform(rows).toarray()
    np.testing.assert_allclose(codes, transcoder.transform(rows).toarray(), atol=1e-5)


def test_training_starts_from_a_dictionary_with_gains(dictionary, rows):
    again = SparseDictionaryAutoencoder(
        activation="jumprelu",
        alpha=1e-9,
        dict_init=dictionary,
        tied_weights=False,
        max_iter=1,
        learning_rate=1e-9,
    )
    codes = again.fit(rows).transform(rows).toarray()
    np.testing.assert_allclose(codes, dictionary.transform(rows).toarray(), atol=1e-5)
    with pytest.raises(ValueError, match="thresholds that differ between features"):
        again.set_params(activation="batch_topk", target_l0=2).fit(rows)
