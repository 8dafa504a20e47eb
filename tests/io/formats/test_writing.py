"""What is written for other libraries gives the same codes there and here, or is refused."""

import json

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file

from skdict import RandomDictionary, SparseDictionaryAutoencoder, SparseTranscoder
from skdict.decomposition import block_transcoder, is_transcoder
from skdict.io import load_dictionary, save_dictionary
from tests.io.formats.layouts._common import jump, relu, top, wide
from tests.signed_topk import SignedTopK

D, M = 6, 10
KINDS = {
    "relu": {},
    "untied": {"tied_weights": False},
    "debiased": {"debias": True},
    "topk": {"activation": "topk", "target_l0": 3},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5},
    "debiased batch_topk": {"activation": "batch_topk", "target_l0": 2.5, "debias": True},
    "jumprelu": {"activation": "jumprelu", "alpha": 0.05},
    "matryoshka": {"activation": "topk", "target_l0": 3, "matryoshka": [4]},
}
TRANSCODERS = {
    "relu": {},
    "relu skip": {"skip_connection": True},
    "topk skip": {"activation": "topk", "target_l0": 3, "skip_connection": True},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5},
    "jumprelu skip": {"activation": "jumprelu", "alpha": 0.001, "skip_connection": True},
}
CASES = [(False, kind) for kind in KINDS] + [(True, kind) for kind in TRANSCODERS]
FORMATS = ("saelens", "dictionary_learning", "sparsify", "circuit_tracer")
THRESHOLDS = {"debiased", "batch_topk", "debiased batch_topk", "jumprelu", "jumprelu skip"}
METADATA = {"model": "m", "hook_point": "mlp_in.2"}
PAIR = METADATA | {"target_hook_point": "mlp_out.2"}
pytestmark = pytest.mark.filterwarnings(
    "ignore::skdict.exceptions.DeadFeaturesWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


def refusal(format, transcodes, kind):
    """Return what a format lacks for a dictionary, or None if it can hold it."""
    ranked, cut = kind.startswith("topk") or kind == "matryoshka", kind in THRESHOLDS
    lacks = {
        "saelens": {"selected by rank": transcodes and ranked},
        "dictionary_learning": {"SparseTranscoder cannot be written": transcodes},
        "sparsify": {"thresholds": cut},
        "circuit_tracer": {
            "SparseDictionaryAutoencoder cannot be written": not transcodes,
            "selected by rank": ranked,
        },
    }
    return next((reason for reason, holds in lacks[format].items() if holds), None)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((300, D)) * 1.5 + 2


def fit(rows, transcodes, kind):
    if transcodes:
        transcoder = SparseTranscoder(M, max_iter=2, random_state=0, **TRANSCODERS[kind])
        transcoder.fit(rows, np.abs(rows[:, ::-1]) + 1)
        if kind in THRESHOLDS:
            # Those learned in two epochs may be zero, which would be a ReLU.
            transcoder.thresholds_ = np.linspace(0.1, 0.6, M).astype(rows.dtype)
        return transcoder
    return SparseDictionaryAutoencoder(M, max_iter=2, random_state=0, **KINDS[kind]).fit(rows)


@pytest.fixture(scope="module")
def fitted(rows):
    """Return a function from a kind and a dtype to a fitted dictionary; each is fitted once."""
    kept = {}

    def of(transcodes, kind, dtype=np.float64):
        key = transcodes, kind, dtype
        if key not in kept:
            kept[key] = fit(rows.astype(dtype), transcodes, kind)
        return kept[key]

    return of


def output(dictionary, rows):
    """Return reconstructions or predictions."""
    if is_transcoder(dictionary):
        return dictionary.predict(rows)
    return dictionary.inverse_transform(dictionary.transform(rows))


def by_saelens(folder, x):
    config = json.loads((folder / "cfg.json").read_text())
    t = wide(load_file(folder / "sae_weights.safetensors"))
    u = x - t["b_dec"] if config["apply_b_dec_to_input"] else x
    pre = u @ t["W_enc"] + t["b_enc"]
    codes = top(pre, config["k"]) if "k" in config else jump(pre, t.get("threshold", 0))
    skipped = x @ t["W_skip"].T if "W_skip" in t else 0
    return codes, codes @ t["W_dec"] + t["b_dec"] + skipped


def by_dictionary_learning(folder, x):
    name = json.loads((folder / "config.json").read_text())["trainer"]["dict_class"]
    state = torch.load(folder / "ae.pt", weights_only=True)
    t = wide({key: tensor.numpy() for key, tensor in state.items()})
    if name == "JumpReluAutoEncoder":
        codes = jump(x @ t["W_enc"] + t["b_enc"], t["threshold"])
        return codes, codes @ t["W_dec"] + t["b_dec"]
    bias = t["bias"] if name == "AutoEncoder" else t["b_dec"]
    pre = (x - bias) @ t["encoder.weight"].T + t["encoder.bias"]
    codes = relu(pre) if name == "AutoEncoder" else top(relu(pre), int(t["k"]))
    return codes, codes @ t["decoder.weight"].T + bias


def by_sparsify(folder, x):
    config = json.loads((folder / "cfg.json").read_text())
    t = wide(load_file(folder / "sae.safetensors"))
    u = x if config["transcode"] else x - t["b_dec"]
    codes = top(relu(u @ t["encoder.weight"].T + t["encoder.bias"]), config["k"])
    skipped = x @ t["W_skip"].T if config["skip_connection"] else 0
    return codes, codes @ t["W_dec"] + t["b_dec"] + skipped


def by_circuit_tracer(folder, x):
    t = wide(load_file(folder / "layer_2.safetensors"))
    pre = x @ t["W_enc"].T + t["b_enc"]
    # Without a ReLU, so that thresholds must not be negative.
    codes = relu(pre)
    if "activation_function.threshold" in t:
        codes = pre * (pre > t["activation_function.threshold"])
    skipped = x @ t["W_skip"].T if "W_skip" in t else 0
    return codes, codes @ t["W_dec"] + t["b_dec"] + skipped


FORMULAS = {
    "saelens": by_saelens,
    "dictionary_learning": by_dictionary_learning,
    "sparsify": by_sparsify,
    "circuit_tracer": by_circuit_tracer,
}


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize(("transcodes", "kind"), CASES)
@pytest.mark.parametrize("format", FORMATS)
def test_formulas_and_reading_give_equal_codes(
    format, transcodes, kind, dtype, atol, fitted, rows, tmp_path
):
    dictionary, rows = fitted(transcodes, kind, dtype), rows.astype(dtype)
    reason, folder = refusal(format, transcodes, kind), tmp_path / "layers.2"
    metadata = PAIR if transcodes else METADATA
    if reason is not None:
        with pytest.raises((ValueError, TypeError), match=f"{reason}.*format='skdict'"):
            save_dictionary(dictionary, folder, format=format, metadata=metadata)
        assert not list(tmp_path.iterdir())
        return
    save_dictionary(dictionary, folder, format=format, metadata=metadata)
    ours, expected = dictionary.transform(rows).toarray(), output(dictionary, rows)
    assert 0.02 < (ours != 0).mean() < 0.8
    codes, rebuilt = FORMULAS[format](folder, rows.astype(np.float64))
    np.testing.assert_allclose(codes, ours, atol=atol)
    np.testing.assert_allclose(rebuilt, expected, atol=atol)
    again = load_dictionary(folder)
    assert is_transcoder(again) == transcodes
    assert again.metadata_["format"] == format
    assert {name: again.metadata_[name] for name in metadata} == metadata
    np.testing.assert_allclose(again.transform(rows).toarray(), ours, atol=atol)
    np.testing.assert_allclose(output(again, rows), expected, atol=atol)


@pytest.mark.parametrize("format", ["saelens", "dictionary_learning", "sparsify"])
def test_gains_of_ranked_codes_go_to_the_decoder(format, fitted, rows, tmp_path):
    sae = load_dictionary(_saved(fitted(False, "topk"), tmp_path / "saved", "saelens"))
    sae.code_gains_ = np.linspace(0.5, 2, M)
    again = load_dictionary(_saved(sae, tmp_path / "out", format))
    np.testing.assert_allclose(again.code_gains_, sae.code_gains_, rtol=1e-6)
    codes = sae.transform(rows).toarray()
    np.testing.assert_allclose(again.transform(rows).toarray(), codes, atol=1e-10)
    sae.code_offsets_ = np.full(M, 0.1)
    with pytest.raises(ValueError, match="selection by rank .* and code offsets"):
        save_dictionary(sae, tmp_path / "other", format=format)


def _saved(dictionary, folder, format):
    save_dictionary(dictionary, folder, format=format, metadata=METADATA)
    return folder


@pytest.mark.parametrize("format", FORMATS)
def test_what_no_format_holds_is_refused(format, fitted, rows, tmp_path):
    with pytest.raises(TypeError, match="RandomDictionary cannot be written in the format"):
        save_dictionary(RandomDictionary(8).fit(rows), tmp_path / "out", format=format)
    transcodes = format == "circuit_tracer"
    dictionary = fit(rows, transcodes, "batch_topk")
    dictionary.thresholds_ = np.linspace(-0.1, 1, M)
    with pytest.raises(ValueError, match="codes that can be negative has no counterpart"):
        save_dictionary(dictionary, tmp_path / "out", format=format, metadata=PAIR)
    dictionary.code_gains_ = np.linspace(-1, 1, M)
    with pytest.raises(ValueError, match="gains that are not positive has no counterpart"):
        save_dictionary(dictionary, tmp_path / "out", format=format, metadata=PAIR)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["dictionary_learning", "sparsify"])
def test_signed_codes_and_row_norms_are_refused(format, fitted, rows, tmp_path):
    signed = SparseDictionaryAutoencoder(M, max_iter=1, activation=SignedTopK(3)).fit(rows)
    with pytest.raises(ValueError, match=r"selected by absolute value \(signed_\)"):
        save_dictionary(signed, tmp_path / "out", format=format)
    normed = load_dictionary(_saved(fitted(False, "topk"), tmp_path / "saved", "saelens"))
    normed.row_norm_ = "layer_norm"
    with pytest.raises(ValueError, match=r"each normalised \(row_norm_\)"):
        save_dictionary(normed, tmp_path / "out", format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_several_blocks_are_refused_and_one_is_not(format, rows, tmp_path):
    for blocks in ([2, 4], [6]):
        options = {"activation": "topk" if format == "sparsify" else "relu"}
        sae = SparseDictionaryAutoencoder(M, blocks=blocks, max_iter=1, random_state=0, **options)
        dictionary = sae.fit(rows)
        if format == "circuit_tracer":
            dictionary = block_transcoder(sae, 0)
        if len(blocks) == 1:
            save_dictionary(dictionary, tmp_path / "one", format=format, metadata=PAIR)
            again = load_dictionary(tmp_path / "one")
            np.testing.assert_allclose(output(again, rows), output(dictionary, rows), atol=1e-10)
            continue
        with pytest.raises(ValueError, match=r"several blocks of columns \(blocks_\)"):
            save_dictionary(dictionary, tmp_path / "out", format=format, metadata=PAIR)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["sparsify", "circuit_tracer"])
def test_targets_of_another_width_are_refused(format, rows, tmp_path):
    transcoder = SparseTranscoder(M, max_iter=1, random_state=0).fit(rows, rows[:, :4])
    with pytest.raises(ValueError, match="targets of another width than the rows"):
        save_dictionary(transcoder, tmp_path / "out", format=format, metadata=PAIR)


def test_saelens_holds_targets_of_another_width(rows, tmp_path):
    transcoder = SparseTranscoder(M, max_iter=1, random_state=0, skip_connection=True)
    transcoder.fit(rows, rows[:, :4])
    save_dictionary(transcoder, tmp_path / "out", format="saelens", metadata=PAIR)
    again = load_dictionary(tmp_path / "out")
    np.testing.assert_allclose(again.predict(rows), transcoder.predict(rows), atol=1e-10)


def test_layers_are_added_to_a_set(fitted, tmp_path):
    transcoder, folder = fitted(True, "relu"), tmp_path / "set"

    def save(layer, **others):
        pair = {"hook_point": f"mlp_in.{layer}", "target_hook_point": f"mlp_out.{layer}"}
        metadata = {"model": "m"} | pair | others
        save_dictionary(transcoder, folder, format="circuit_tracer", metadata=metadata)

    save(0)
    before = (folder / "layer_0.safetensors").read_bytes()
    save(10)
    save(0)
    names = {"config.yaml", "layer_0.safetensors", "layer_10.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "layer_0.safetensors").read_bytes() == before
    assert yaml.safe_load((folder / "config.yaml").read_text()) == {
        "model_name": "m",
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
        "scan": None,
    }
    loaded = load_dictionary(folder / "layer_10.safetensors")
    assert loaded.metadata_["target_hook_point"] == "mlp_out.10"
    with pytest.raises(ValueError, match="has model_name='m', but the transcoder has 'other'"):
        save(1, model="other")
    with pytest.raises(ValueError, match="has feature_input_hook='mlp.hook_in'"):
        save(1, hook_point="resid_mid.1")
    for wrong in ({"target_hook_point": "mlp_out.2"}, {"hook_point": None}, {"hook_point": 3}):
        with pytest.raises(ValueError, match="do not name one layer; pass metadata with both"):
            save(1, **wrong)
    assert {path.name for path in folder.iterdir()} == names
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("data")
    with pytest.raises(FileExistsError, match="is not a set of transcoders of circuit-tracer"):
        save_dictionary(transcoder, tmp_path / "other", format="circuit_tracer", metadata=PAIR)


@pytest.mark.parametrize(
    ("hook_point", "layer", "name"),
    [
        ("resid_post.3", 3, "resid_post_layer_3"),
        ("mlp_in.3", None, "mlp_in.3"),
        ("transformer.wte", None, "transformer.wte"),
        (None, None, None),
    ],
)
def test_hook_points_get_the_names_of_dictionary_learning(
    hook_point, layer, name, fitted, tmp_path
):
    metadata = {"hook_point": hook_point}
    save_dictionary(
        fitted(False, "relu"), tmp_path / "out", format="dictionary_learning", metadata=metadata
    )
    trainer = json.loads((tmp_path / "out" / "config.json").read_text())["trainer"]
    assert (trainer["layer"], trainer["submodule_name"]) == (layer, name)
    assert load_dictionary(tmp_path / "out").metadata_["hook_point"] == hook_point


def test_normalised_rows_go_to_saelens(fitted, rows, tmp_path):
    sae = load_dictionary(_saved(fitted(False, "topk"), tmp_path / "saved", "saelens"))
    for row_norm in ("layer_norm", "constant_norm"):
        sae.row_norm_ = row_norm
        again = load_dictionary(_saved(sae, tmp_path / row_norm, "saelens"))
        assert again.row_norm_ == row_norm
        codes = sae.transform(rows)
        np.testing.assert_array_equal(again.transform(rows).toarray(), codes.toarray())
        np.testing.assert_array_equal(
            again.inverse_transform(codes, rows), sae.inverse_transform(codes, rows)
        )
