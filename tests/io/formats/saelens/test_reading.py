"""What SAELens wrote says the same here, or is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from skdict import SparseDictionaryAutoencoder
from skdict.io import load_dictionary
from tests.io.formats.saelens.formulas import decode, encode, norms, write

D, M = 6, 10
KINDS = {
    "standard": {"architecture": "standard"},
    "topk": {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": False},
    "topk by norm": {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True},
    "topk by default": {"architecture": "topk", "k": M},
    "jumprelu": {"architecture": "jumprelu"},
}


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((100, D)) + 2


def tensors_of(config, dtype=np.float64):
    """Return random tensors, with decoder rows of norms from 0.3 to 3."""
    rng = np.random.default_rng(1)
    shapes = {"W_enc": (D, M), "b_enc": (M,), "W_dec": (M, D), "b_dec": (D,)}
    tensors = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    tensors["W_dec"] *= (np.linspace(0.3, 3, M) / norms(tensors))[:, None]
    if config["architecture"] == "jumprelu":
        # Both signs: negative thresholds are those of a ReLU.
        tensors["threshold"] = np.linspace(-1, 2, M)
    return {name: array.astype(dtype) for name, array in tensors.items()}


def expected(config, tensors, rows):
    """Return codes in units of the rows, and reconstructions."""
    codes = encode(config, tensors, rows)
    rebuilt = decode(config, tensors, codes)
    return codes * (1 if config.get("rescale_acts_by_decoder_norm") else norms(tensors)), rebuilt


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_codes_and_reconstructions_are_the_same(kind, centred, dtype, atol, rows, tmp_path):
    config = KINDS[kind] | {"apply_b_dec_to_input": centred}
    tensors = tensors_of(config, dtype)
    write(tmp_path / "sae", config, tensors)
    sae, rows = load_dictionary(tmp_path / "sae"), rows.astype(dtype)
    ours = sae.transform(rows)
    codes, rebuilt = expected(config, tensors, rows)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours.toarray() > 0, codes > 0)
    np.testing.assert_allclose(ours.toarray(), codes, atol=atol)
    np.testing.assert_allclose(sae.inverse_transform(ours), rebuilt, atol=atol)
    np.testing.assert_allclose(np.linalg.norm(sae.components_, axis=1), 1, rtol=1e-6)


def test_the_norms_decide_what_is_kept(rows, tmp_path):
    by_norm = KINDS["topk by norm"] | {"apply_b_dec_to_input": True}
    tensors = tensors_of(by_norm)
    kept = []
    for config in (by_norm, by_norm | {"rescale_acts_by_decoder_norm": False}):
        write(tmp_path / "sae", config, tensors)
        kept.append(load_dictionary(tmp_path / "sae").transform(rows).toarray() > 0)
    assert (kept[0] != kept[1]).any(axis=1).mean() > 0.2


@pytest.mark.parametrize("by_norm", [True, False])
def test_ties_and_rows_with_fewer_than_k_positive(by_norm, tmp_path):
    rng = np.random.default_rng(2)
    config = KINDS["topk"] | {
        "rescale_acts_by_decoder_norm": by_norm,
        "apply_b_dec_to_input": True,
    }
    # Whole numbers, and norms of 1 and 5, so that sums are exact and ties are ties.
    tensors = {
        "W_enc": rng.integers(-1, 2, (D, M)),
        "b_enc": np.full(M, -2),
        "W_dec": np.zeros((M, D)),
        "b_dec": np.ones(D),
    }
    tensors["W_dec"][:, :2] = [3, -4]
    tensors["W_dec"][::2] = [0, 0, 0, 1, 0, 0]
    tensors = {name: array.astype(np.float32) for name, array in tensors.items()}
    write(tmp_path / "sae", config, tensors)
    rows = rng.integers(-1, 4, (1000, D)).astype(np.float32)
    pre = (rows - 1) @ tensors["W_enc"] - 2
    ranked = np.sort(pre * (norms(tensors) if by_norm else 1), axis=1)[:, ::-1]
    tied = (ranked[:, 2] == ranked[:, 3]) & (ranked[:, 2] > 0)
    few = ranked[:, 2] <= 0
    assert tied.sum() > 10 and few.sum() > 10
    sae = load_dictionary(tmp_path / "sae")
    codes, rebuilt = expected(config, tensors, rows)
    ours = sae.transform(rows).toarray()
    np.testing.assert_array_equal(ours, codes)
    np.testing.assert_array_equal((ours > 0).sum(axis=1)[tied], 3)
    np.testing.assert_allclose(sae.inverse_transform(ours), rebuilt, atol=1e-5)


@pytest.mark.parametrize("kind", ["standard", "topk", "jumprelu"])
def test_directions_of_zeros_add_nothing(kind, rows, tmp_path):
    config = KINDS[kind] | {"apply_b_dec_to_input": True}
    tensors = tensors_of(config)
    tensors["W_dec"][3] = 0
    write(tmp_path / "sae", config, tensors)
    sae = load_dictionary(tmp_path / "sae")
    ours, rebuilt = sae.transform(rows), expected(config, tensors, rows)[1]
    assert (ours.toarray()[:, 3] > 0).any()
    np.testing.assert_allclose(sae.inverse_transform(ours), rebuilt, atol=1e-12)


def test_a_direction_of_zeros_ranked_by_norm_is_never_kept(rows, tmp_path):
    config = KINDS["topk by norm"] | {"apply_b_dec_to_input": True}
    tensors = tensors_of(config)
    tensors["W_dec"][3], tensors["b_enc"][3] = 0, 100
    write(tmp_path / "sae", config, tensors)
    codes = load_dictionary(tmp_path / "sae").transform(rows).toarray()
    np.testing.assert_allclose(codes, encode(config, tensors, rows), atol=1e-12)
    assert not codes[:, 3].any()


def test_thresholds_of_older_checkpoints_are_logarithms(rows, tmp_path):
    config = KINDS["jumprelu"] | {"apply_b_dec_to_input": True}
    tensors = tensors_of(config)
    tensors["log_threshold"] = tensors.pop("threshold")
    write(tmp_path / "sae", config, tensors)
    ours = load_dictionary(tmp_path / "sae").transform(rows).toarray()
    np.testing.assert_allclose(ours, expected(config, tensors, rows)[0], atol=1e-12)


def test_codes_at_the_threshold_are_zero(tmp_path):
    tensors = {
        "W_enc": np.eye(2),
        "b_enc": np.zeros(2),
        "W_dec": np.eye(2),
        "b_dec": np.zeros(2),
        "threshold": np.array([1.0, 0.0]),
    }
    write(tmp_path / "sae", KINDS["jumprelu"], tensors)
    codes = load_dictionary(tmp_path / "sae").transform([[1.0, 0.0], [1.5, 0.5]])
    np.testing.assert_array_equal(codes.toarray(), [[0, 0], [1.5, 0.5]])


@pytest.mark.parametrize("kind", ["standard", "topk", "jumprelu"])
def test_training_starts_from_what_was_loaded(kind, rows, tmp_path):
    tensors = tensors_of(KINDS[kind])
    if kind == "topk":
        tensors["W_dec"] /= norms(tensors)[:, None]
    write(tmp_path / "sae", KINDS[kind], tensors)
    loaded = load_dictionary(tmp_path / "sae")
    activation = {"standard": "relu"}.get(kind, kind)
    again = SparseDictionaryAutoencoder(
        activation=activation, dict_init=loaded, tied_weights=False, max_iter=1, learning_rate=1e-9
    )
    if activation == "topk":
        again.set_params(target_l0=loaded.k_)
    codes = again.fit(rows).transform(rows).toarray()
    np.testing.assert_allclose(codes, loaded.transform(rows).toarray(), atol=1e-4)


def test_the_reported_l0_is_kept(tmp_path):
    metadata = {"sae_lens_version": "6.54.12", "model_name": "m", "hook_name": "h", "l0": 41.5}
    write(tmp_path / "sae", KINDS["topk"] | {"metadata": metadata}, tensors_of(KINDS["topk"]))
    loaded = load_dictionary(tmp_path / "sae")
    stated = {"model": "m", "hook_point": "h", "l0": 41.5}
    others = {"format": "saelens", "architecture": "topk", "dtype": "float64"}
    assert loaded.metadata_ == stated | others


@pytest.mark.parametrize(
    ("hook_name", "hook_point"),
    [
        ("blocks.9.hook_resid_post", "resid_post.9"),
        ("blocks.9.hook_mlp_out", "mlp_out.9"),
        ("blocks.9.hook_resid_mid", "resid_mid.9"),
        ("blocks.9.mlp.hook_in", "mlp_in.9"),
        # Not what the MLP reads: it comes before the norm.
        ("blocks.9.hook_mlp_in", "blocks.9.hook_mlp_in"),
        ("model.layers.9", "resid_post.9"),
        ("model.norm", "model.norm"),
        (None, None),
    ],
)
def test_hook_points_have_their_names_here(tmp_path, hook_name, hook_point):
    metadata = {"sae_lens_version": "6.54.12", "model_name": "m", "hook_name": hook_name}
    write(tmp_path / "sae", KINDS["topk"] | {"metadata": metadata}, tensors_of(KINDS["topk"]))
    assert load_dictionary(tmp_path / "sae").metadata_["hook_point"] == hook_point


def test_flattened_heads_are_read_like_other_rows(rows, tmp_path):
    tensors = tensors_of(KINDS["standard"])
    codes = []
    for reshaped in ("none", "hook_z"):
        write(tmp_path / "sae", KINDS["standard"] | {"reshape_activations": reshaped}, tensors)
        codes.append(load_dictionary(tmp_path / "sae").transform(rows).toarray())
    np.testing.assert_array_equal(*codes)


UNKNOWN = ("crosscoder", "temporal", "matching_pursuit", None, ["topk"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            ({"architecture": name}, "has architecture=.*accepted: 'standard', 'gated', 'topk'")
            for name in UNKNOWN
        ),
        ({"normalize_activations": "batch_norm"}, "normalize_activations='batch_norm'"),
        (
            {"normalize_activations": "expected_average_only_in"},
            "no activation_scaler.json states the factor; fold it .* fold_activation_norm_scaling",
        ),
        ({"reshape_activations": "heads"}, "reshape_activations='heads'"),
        ({"rescale_acts_by_decoder_norm": "yes"}, "rescale_acts_by_decoder_norm='yes'"),
        ({"apply_b_dec_to_input": None}, "apply_b_dec_to_input=None"),
        ({"metadata": None, "activation_fn": "tanh-relu"}, "activation function 'tanh-relu'"),
        ({"d_sae": 11}, r"W_enc of shape \(6, 10\) but its cfg.json requires \(6, 11\)"),
        ({"k": None}, "cfg.json' has k=None; .* from 1 to 10"),
        ({"k": 0}, "cfg.json' has k=0"),
        ({"k": 11}, "cfg.json' has k=11"),
        ({"k": 2.5}, "cfg.json' has k=2.5"),
        ({"k": True}, "cfg.json' has k=True"),
    ],
)
def test_settings_without_a_counterpart_are_refused(tmp_path, change, message):
    write(tmp_path / "sae", KINDS["topk"] | change, tensors_of(KINDS["topk"]))
    with pytest.raises(ValueError, match=message):
        load_dictionary(tmp_path / "sae")


def test_a_missing_k_is_refused(tmp_path):
    write(tmp_path / "sae", {"architecture": "topk"}, tensors_of(KINDS["topk"]))
    with pytest.raises(ValueError, match="cfg.json' has k=None"):
        load_dictionary(tmp_path / "sae")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": None}, "weights.safetensors' has threshold of shape None"),
        (
            {"threshold": np.zeros(9)},
            r"threshold of shape \(9,\) but its cfg.json requires \(10,\)",
        ),
        ({"threshold": np.zeros(())}, r"threshold of shape \(\)"),
        (
            {"threshold": np.full(M, np.nan)},
            "weights.safetensors' has NaN or infinity in threshold",
        ),
        ({"threshold": np.full(M, np.inf)}, "NaN or infinity in threshold"),
        ({"threshold": None, "log_threshold": np.full(M, 1e3)}, "NaN or infinity in threshold"),
        ({"W_dec": np.full((M, D), np.nan)}, "NaN or infinity in W_dec"),
        ({"b_enc": None}, "b_enc of shape None"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, message):
    tensors = tensors_of(KINDS["jumprelu"])
    write(tmp_path / "sae", KINDS["jumprelu"], tensors)
    whole = {name: a for name, a in (tensors | change).items() if a is not None}
    save_file(whole, tmp_path / "sae" / "sae_weights.safetensors")
    with pytest.raises(ValueError, match=message):
        load_dictionary(tmp_path / "sae")


def test_damage_is_told(tmp_path):
    write(tmp_path / "sae", KINDS["standard"], tensors_of(KINDS["standard"]))
    weights = tmp_path / "sae" / "sae_weights.safetensors"
    assert load_file(weights)
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load_dictionary(tmp_path / "sae")
    weights.unlink()
    with pytest.raises(ValueError, match="cannot be read: it is missing"):
        load_dictionary(tmp_path / "sae")
    (tmp_path / "sae" / "cfg.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="holds list, but an object is expected"):
        load_dictionary(tmp_path / "sae")
