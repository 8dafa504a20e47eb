"""What is written says the same by the formulas of SAELens, or is refused."""

import numpy as np
import pytest
import torch

from skdict import RandomDictionary, SparseDictionaryAutoencoder
from skdict.io import load_dictionary, save_dictionary
from tests.io.formats.saelens.formulas import decode, encode, written
from tests.signed_topk import SignedTopK

HOOK_NAME = "blocks.2.hook_resid_post"
METADATA = {"model": "stories", "hook_point": "resid_post.2", "l0": 3.5, "n_dead": 2}
KINDS = {
    "relu": {},
    "untied": {"tied_weights": False},
    "debiased relu": {"debias": True},
    "topk": {"activation": "topk", "target_l0": 3},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5, "tied_weights": False},
    "debiased batch_topk": {"activation": "batch_topk", "target_l0": 2.5, "debias": True},
}
ARCHITECTURES = {
    "relu": "standard",
    "untied": "standard",
    "debiased relu": "jumprelu",
    "topk": "topk",
    "batch_topk": "jumprelu",
    "debiased batch_topk": "jumprelu",
}


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((200, 6)) + 2


def fit(rows, **options):
    return SparseDictionaryAutoencoder(10, max_iter=2, random_state=0, **options).fit(rows)


@pytest.fixture(params=KINDS)
def saved(request, rows, tmp_path):
    """The kind of a dictionary, the dictionary, and its directory."""
    sae = fit(rows, **KINDS[request.param])
    save_dictionary(sae, tmp_path / "sae", format="saelens", metadata=METADATA)
    return request.param, sae, tmp_path / "sae"


def test_codes_and_reconstructions_are_the_same(saved, rows):
    kind, sae, folder = saved
    config, tensors = written(folder)
    codes, ours = encode(config, tensors, rows), sae.transform(rows)
    assert 0 < ours.nnz < codes.size / 2
    np.testing.assert_array_equal(codes > 0, ours.toarray() > 0)
    np.testing.assert_allclose(codes, ours.toarray(), atol=1e-12)
    rebuilt = decode(config, tensors, codes)
    np.testing.assert_allclose(rebuilt, sae.inverse_transform(ours), atol=1e-12)
    assert (config["architecture"], config["d_in"], config["d_sae"]) == (ARCHITECTURES[kind], 6, 10)
    names = "sae_lens_version", "model_name", "hook_name", "l0"
    assert [config["metadata"][n] for n in names] == ["6.0.0", "stories", HOOK_NAME, 3.5]
    due = {"W_enc", "b_enc", "W_dec", "b_dec"}
    assert set(tensors) == due | ({"threshold"} if config["architecture"] == "jumprelu" else set())
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float64)}
    assert config["dtype"] == "float64"


@pytest.mark.parametrize(
    ("hook_point", "hook_name", "reshaped"),
    [
        ("resid_pre.0", "blocks.0.hook_resid_pre", "none"),
        ("attn_heads.2", "blocks.2.attn.hook_z", "hook_z"),
        ("transformer.wte", "transformer.wte", "none"),
        (None, None, "none"),
    ],
)
def test_hook_points_get_the_names_of_saelens(rows, tmp_path, hook_point, hook_name, reshaped):
    metadata = {"hook_point": hook_point}
    save_dictionary(fit(rows), tmp_path / "sae", format="saelens", metadata=metadata)
    config, _ = written(tmp_path / "sae")
    assert config["metadata"]["hook_name"] == hook_name
    # SAELens splits activations into heads and joins them again only where this is set.
    assert config["reshape_activations"] == reshaped
    assert load_dictionary(tmp_path / "sae").metadata_["hook_point"] == hook_point


def test_a_selection_by_rank_is_named_in_the_settings(rows, tmp_path):
    sae = fit(rows, **KINDS["topk"])
    save_dictionary(sae, tmp_path / "sae", format="saelens")
    config, _ = written(tmp_path / "sae")
    assert (config["k"], config["rescale_acts_by_decoder_norm"]) == (3, False)


def test_float32_is_folded_to_rounding(rows, tmp_path):
    rows = rows.astype(np.float32)
    sae = fit(rows, debias=True)
    save_dictionary(sae, tmp_path / "sae", format="saelens")
    config, tensors = written(tmp_path / "sae")
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    ours = sae.transform(rows)
    np.testing.assert_allclose(encode(config, tensors, rows), ours.toarray(), atol=1e-5)


def test_gains_behind_a_selection_go_to_the_decoder(rows, tmp_path):
    sae = fit(rows, **KINDS["topk"])
    sae.code_gains_ = np.linspace(0.5, 2, 10)
    save_dictionary(sae, tmp_path / "sae", format="saelens")
    config, tensors = written(tmp_path / "sae")
    codes, ours = encode(config, tensors, rows), sae.transform(rows)
    np.testing.assert_allclose(codes * sae.code_gains_, ours.toarray(), atol=1e-12)
    rebuilt = decode(config, tensors, codes)
    np.testing.assert_allclose(rebuilt, sae.inverse_transform(ours), atol=1e-12)
    again = load_dictionary(tmp_path / "sae")
    np.testing.assert_allclose(again.code_gains_, sae.code_gains_, rtol=1e-12)
    np.testing.assert_allclose(again.transform(rows).toarray(), ours.toarray(), atol=1e-12)


def test_reading_back(saved, rows):
    kind, sae, folder = saved
    again = load_dictionary(folder)
    ours, theirs = sae.transform(rows).toarray(), again.transform(rows).toarray()
    np.testing.assert_array_equal(theirs > 0, ours > 0)
    np.testing.assert_allclose(theirs, ours, atol=1e-12)
    assert again.metadata_ == METADATA | {
        "format": "saelens",
        "architecture": ARCHITECTURES[kind],
        "dtype": "float64",
    }
    np.testing.assert_array_equal(again.components_, sae.components_)
    if "debiased" not in kind:
        for name in ("encoder_", "encoder_bias_", "thresholds_", "k_"):
            np.testing.assert_array_equal(getattr(again, name, None), getattr(sae, name, None))


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("topk", {"code_offsets_": np.full(10, 0.1)}, "selection by rank .* and code offsets"),
        ("topk", {"code_gains_": np.linspace(-1, 1, 10)}, "gains that are not positive"),
        ("relu", {"code_gains_": np.zeros(10)}, "gains that are not positive"),
        ("relu", {"code_offsets_": np.linspace(-0.1, 1, 10)}, "codes that can be negative"),
        ("batch_topk", {"thresholds_": np.linspace(-0.1, 1, 10)}, "codes that can be negative"),
    ],
)
def test_codes_that_saelens_does_not_have_are_refused(rows, tmp_path, kind, attributes, message):
    sae = fit(rows, **KINDS[kind])
    vars(sae).update(attributes)
    with pytest.raises(ValueError, match=f"{message}.*no counterpart.*format='skdict'"):
        save_dictionary(sae, tmp_path / "sae", format="saelens")
    assert not (tmp_path / "sae").exists()


def test_offsets_above_their_thresholds_may_be_negative(rows, tmp_path):
    sae = fit(rows, **KINDS["batch_topk"])
    sae.thresholds_ = np.full(10, 0.6)
    sae.code_gains_, sae.code_offsets_ = np.full(10, 2.0), np.full(10, -1.0)
    save_dictionary(sae, tmp_path / "sae", format="saelens")
    codes = encode(*written(tmp_path / "sae"), rows)
    assert np.any((codes > 0) & (codes < 1))
    np.testing.assert_allclose(codes, sae.transform(rows).toarray(), atol=1e-12)


def test_other_dictionaries_have_no_form_there(rows, tmp_path):
    random = RandomDictionary(8, random_state=0).fit(rows)
    with pytest.raises(TypeError, match="cannot be written in the format of SAELens"):
        save_dictionary(random, tmp_path / "random", format="saelens")


def test_codes_of_both_signs_are_abstopk(rows, tmp_path):
    signed = fit(rows, activation=SignedTopK(3))
    save_dictionary(signed, tmp_path / "signed", format="saelens")
    config, _ = written(tmp_path / "signed")
    assert (config["architecture"], config["k"]) == ("abstopk", 3)
    codes, again = signed.transform(rows).toarray(), load_dictionary(tmp_path / "signed")
    assert (codes < 0).any()
    np.testing.assert_allclose(again.transform(rows).toarray(), codes, atol=1e-12)


def test_saelens_itself_agrees(saved, rows):
    sae_lens = pytest.importorskip("sae_lens")
    _, sae, folder = saved
    loaded = sae_lens.SAE.load_from_disk(str(folder))
    with torch.no_grad():
        codes = loaded.encode(torch.from_numpy(rows))
        rebuilt = loaded.decode(codes)
    ours = sae.transform(rows)
    np.testing.assert_allclose(codes.numpy(), ours.toarray(), atol=1e-5)
    np.testing.assert_allclose(rebuilt.numpy(), sae.inverse_transform(ours), atol=1e-5)
    loaded.save_model(str(folder.with_name("written by them")))
    again = load_dictionary(folder.with_name("written by them"))
    np.testing.assert_allclose(again.transform(rows).toarray(), ours.toarray(), atol=1e-5)
