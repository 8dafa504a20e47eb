"""Crosscoders of crosscoder_learning: their blocks, how they select codes, and what is refused."""

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder
from skdict.decomposition import PretrainedTranscoder, block_transcoder
from skdict.io import load_dictionary, save_dictionary
from tests.io.formats.layouts import crosscoder_learning
from tests.io.formats.layouts._common import D, N, change_json, saved
from tests.io.formats.layouts._crosscoder_learning import WIDTH, L


@pytest.fixture
def rows():
    return np.random.default_rng(3).standard_normal((100, D)) * 1.5 + 0.5


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sae"


def refused(folder, match):
    with pytest.raises(ValueError, match=match):
        load_dictionary(folder)


def test_blocks_and_the_shares_of_features_are_those_of_the_file(folder):
    layout = saved(crosscoder_learning(folder, np.float64))
    dictionary = load_dictionary(folder)
    np.testing.assert_array_equal(dictionary.blocks_, [WIDTH] * L)
    np.testing.assert_allclose(dictionary.scale_, 1 / layout.tensors["activation_global_scale"])
    norms = np.linalg.norm(layout.tensors["decoder.weight"], axis=2).T
    shares = norms / np.linalg.norm(norms, axis=1, keepdims=True)
    np.testing.assert_allclose(dictionary.block_norms_, shares, rtol=1e-6)
    stated = dictionary.metadata_
    assert (stated["architecture"], stated["l0"]) == ("BatchTopKCrossCoder", 3)
    assert stated["hook_point"] is None


def test_blocks_are_kept_by_saving(rows, folder, tmp_path):
    saved(crosscoder_learning(folder, np.float64))
    dictionary = load_dictionary(folder)
    save_dictionary(dictionary, tmp_path / "ours")
    again = load_dictionary(tmp_path / "ours")
    for name in ("blocks_", "scale_", "block_norms_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(dictionary, name))
    for format in ("saelens", "dictionary_learning", "sparsify"):
        with pytest.raises(ValueError, match=r"several blocks of columns \(blocks_\)"):
            save_dictionary(dictionary, tmp_path / "out", format=format)


@pytest.mark.parametrize("block", range(L))
def test_one_block_is_a_transcoder(block, rows, folder, tmp_path):
    layout = saved(crosscoder_learning(folder, np.float64))
    dictionary = load_dictionary(folder)
    part = block_transcoder(dictionary, block)
    assert type(part) is PretrainedTranscoder and not hasattr(part, "block_norms_")
    expected = layout.predict(rows)[:, block * WIDTH : (block + 1) * WIDTH]
    np.testing.assert_allclose(part.predict(rows), expected, atol=1e-10)
    save_dictionary(part, tmp_path / "part")
    again = load_dictionary(tmp_path / "part")
    np.testing.assert_array_equal(again.predict(rows), part.predict(rows))
    with pytest.raises(TypeError, match="was not fitted with blocks"):
        block_transcoder(part, 0)


def test_training_starts_from_a_crosscoder(rows, folder):
    saved(crosscoder_learning(folder, np.float64))
    dictionary = load_dictionary(folder)
    sae = SparseDictionaryAutoencoder(
        activation="jumprelu",
        blocks=[WIDTH] * L,
        dict_init=dictionary,
        tied_weights=False,
        learning_rate=1e-12,
        max_iter=1,
        alpha=0,
        random_state=0,
    ).fit(rows)
    codes = dictionary.transform(rows).toarray()
    np.testing.assert_allclose(sae.transform(rows).toarray(), codes, atol=1e-6)


def test_a_crosscoder_of_one_layer_has_one_block(rows, folder):
    layout = crosscoder_learning(folder, np.float64)
    first = {
        name: layout.tensors[name][:1]
        for name in layout.tensors
        if layout.tensors[name].ndim and name != "encoder.bias"
    }
    saved(layout, **first)
    change_json(folder / "config.json", num_layers=1)
    dictionary = load_dictionary(folder)
    assert dictionary.scale_ == 2.0 and type(dictionary.scale_) is float
    np.testing.assert_array_equal(dictionary.blocks_, [WIDTH])
    with_one = dictionary.transform(rows[:, :WIDTH])
    assert with_one.shape == (100, N)


def test_older_files_state_neither_class_nor_norm_nor_scales(rows, folder):
    layout = crosscoder_learning(folder, np.float64, selects=False, scales=False)
    kept = ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")
    layout.save({name: layout.tensors[name] for name in kept})
    nothing = {"encoder_layers": None, "latent_processor": None, "num_decoder_layers": None}
    change_json(folder / "config.json", dict_class=..., code_normalization=..., **nothing)
    dictionary = load_dictionary(folder)
    assert dictionary.metadata_["architecture"] == "CrossCoder"
    np.testing.assert_array_equal(dictionary.scale_, [1, 1])
    rebuilt = dictionary.inverse_transform(dictionary.transform(rows))
    np.testing.assert_allclose(rebuilt, layout.predict(rows), atol=1e-10)


def test_the_class_may_be_left_to_the_tensors(rows, folder):
    layout = saved(crosscoder_learning(folder, np.float64))
    change_json(folder / "config.json", dict_class=..., code_normalization=...)
    dictionary = load_dictionary(folder)
    assert dictionary.metadata_["architecture"] == "BatchTopKCrossCoder"
    np.testing.assert_array_equal(
        dictionary.transform(rows).toarray() != 0, layout.encode(rows) != 0
    )


def test_a_norm_that_is_not_stated_is_the_sum_over_blocks(rows, folder):
    layout = saved(crosscoder_learning(folder, np.float64), code_normalization_id=None)
    expected = layout.encode(rows) != 0
    np.testing.assert_array_equal(load_dictionary(folder).transform(rows).toarray() != 0, expected)
    change_json(folder / "config.json", code_normalization=...)
    with pytest.warns(UserWarning, match="does not state by which norm .* compare the L0"):
        dictionary = load_dictionary(folder)
    np.testing.assert_array_equal(dictionary.transform(rows).toarray() != 0, expected)


def test_without_a_threshold_all_positive_codes_are_kept(rows, folder):
    layout = crosscoder_learning(folder, np.float64)
    saved(layout, threshold=np.array(-1, np.float32))
    with pytest.warns(UserWarning, match="has no threshold yet .* L0 is far above k"):
        dictionary = load_dictionary(folder)
    layout = crosscoder_learning(folder / "relu", np.float64, selects=False)
    expected = layout.encode(rows) != 0
    np.testing.assert_array_equal(dictionary.transform(rows).toarray() != 0, expected)


def test_features_that_write_nothing_never_fire(rows, folder, tmp_path):
    layout = crosscoder_learning(folder, np.float32)
    decoder, bias = (layout.tensors[name].copy() for name in ("decoder.weight", "encoder.bias"))
    decoder[:, 4], bias[4] = 0, 100
    saved(layout, **{"decoder.weight": decoder, "encoder.bias": bias})
    dictionary = load_dictionary(folder)
    codes = dictionary.transform(rows.astype(np.float32)).toarray()
    assert not codes[:, 4].any() and codes[:, 5].any()
    np.testing.assert_array_equal(dictionary.block_norms_[4], [0, 0])
    save_dictionary(dictionary, tmp_path / "ours")
    load_dictionary(tmp_path / "ours")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"decoder.bias": None}, r"has decoder.bias of shape None but its config.json requires"),
        ({"encoder.bias": np.zeros(3)}, r"encoder.bias of shape \(3,\)"),
        ({"encoder.weight": np.zeros((D, N))}, r"encoder.weight of shape \(6, 10\)"),
        ({"activation_std": None}, "has activation_std of shape None"),
        ({"activation_global_scale": None}, "has activation_global_scale of shape None"),
        ({"activation_global_scale": np.array([1.0, 0])}, "positive numbers are expected"),
        ({"activation_mean": np.array([[np.nan, 0, 0]] * 2)}, "NaN or infinity in activation_mean"),
        ({"threshold": None}, "states dict_class='BatchTopKCrossCoder' but .* has no threshold"),
        ({"threshold": np.ones(2)}, r"has threshold of shape \(2,\)"),
        ({"k": None}, "has k of shape None"),
        ({"code_normalization_id": np.array(5)}, "selects other codes for each block"),
        ({"code_normalization_id": np.array(9)}, "code_normalization=9, which is not supported"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(changes, match, folder):
    saved(crosscoder_learning(folder, np.float64), **changes)
    refused(folder, match)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"activation_dim": 4}, r"requires \(2, 4, 10\)"),
        ({"dict_size": ...}, "has dict_size=None, but int is expected"),
        ({"num_layers": 3}, r"requires \(3, 3, 10\)"),
        ({"encoder_layers": [0]}, r"has encoder_layers=\[0\] .* read and write all of their 2"),
        ({"num_decoder_layers": 1}, "num_decoder_layers=1"),
        ({"dict_class": "CrossCoder"}, "states dict_class='CrossCoder' but .* has a threshold"),
        ({"dict_class": "GatedAutoEncoder"}, "of a class that is not supported"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, match, folder):
    saved(crosscoder_learning(folder, np.float64))
    change_json(folder / "config.json", **changes)
    refused(folder, match)


def test_the_mixture_of_norms_has_weights(folder):
    saved(crosscoder_learning(folder, np.float64, norm="MIXED"))
    change_json(folder / "config.json", code_normalization_alpha_cc="much")
    refused(folder, "has code_normalization_alpha_cc='much', but int or float is expected")
