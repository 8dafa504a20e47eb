"""Virtual weights are what an ablation does where nothing but the residual stream is in between."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import NMF, PCA

from skdict import IdentityDictionary, RandomDictionary, SparseDictionaryAutoencoder
from skdict.decomposition import NeuronTranscoder, SparseTranscoder, TopKDictionary
from skdict.interventions import Ablate, find_circuit, intervene, virtual_weights
from skdict.models import capture, find_hook_point
from tests.conftest import build

TEXTS = ["the cat sat", "a dog and a cow ran", "so it was in the end"]
RESIDUAL = ("resid_pre.1", "resid_post.0")
ROWS = np.random.default_rng(0).standard_normal((200, 16))


@pytest.fixture(scope="module")
def linear():
    """A model whose blocks add nothing to the residual stream, with gains in its norms."""
    model = build("llama")
    with torch.no_grad():
        model.model.embed_tokens.weight *= 20
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
            block.post_attention_layernorm.weight.copy_(torch.linspace(0.5, 2, 16))
    return model


@pytest.fixture(scope="module")
def transcoder():
    return SparseTranscoder(20, max_iter=2, random_state=0).fit(ROWS, ROWS[:, ::-1] ** 2)


def read(model, tokenizer, *names):
    """Return rows of all texts but their first tokens, by hook point."""
    parts = {name: [] for name in names}
    for text in TEXTS:
        with capture({name: find_hook_point(model, name) for name in names}) as values:
            with torch.no_grad():
                model(torch.tensor([tokenizer(text)["input_ids"]]))
        for name, value in values.items():
            parts[name].append(value[0, 1:].numpy())
    return [np.concatenate(parts[name]) for name in names]


@pytest.mark.parametrize(
    "upper",
    [
        SparseDictionaryAutoencoder(24, tied_weights=False, max_iter=2, random_state=0),
        SparseDictionaryAutoencoder(24, debias=True, alpha=0.05, max_iter=2, random_state=0),
        SparseDictionaryAutoencoder(24, activation="batch_topk", target_l0=6, max_iter=2),
        PCA(5, whiten=True),
        RandomDictionary(24, random_state=0),
    ],
    ids=["untied", "debias", "batch_topk", "whitened pca", "random"],
)
@pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")
def test_without_a_model_it_is_the_slope_of_codes_along_decoder_directions(upper, short_epochs):
    upper.fit(ROWS)
    lower = RandomDictionary(8, random_state=1).fit(ROWS)
    weights = virtual_weights(upper, lower).weights
    assert weights.shape == (len(upper.components_), 8) and weights.dtype == np.float64
    size = 1e-4
    before = dense(upper.transform(ROWS))
    for feature, unit in enumerate(np.eye(8)):
        moved = ROWS + size * (lower.inverse_transform(unit[None]) - lower.mean_)
        after = dense(upper.transform(moved))
        slopes = np.where((before != 0) & (after != 0), (after - before) / size, np.nan)
        expected = np.broadcast_to(weights[:, feature], slopes.shape)
        fires = ~np.isnan(slopes)
        assert fires.any(axis=0).mean() > 0.5
        np.testing.assert_allclose(slopes[fires], expected[fires], rtol=1e-5, atol=1e-6)


def dense(codes):
    return codes.toarray() if hasattr(codes, "toarray") else codes


def test_in_a_linear_stream_it_is_the_effect_of_ablation(linear, byte_tokenizer):
    lower = RandomDictionary(12, random_state=0).fit(ROWS.astype(np.float32))
    # All its codes are linear, so that no feature stops firing when another is ablated.
    upper = PCA(6).fit(ROWS.astype(np.float32))
    points = ("resid_post.2", "resid_post.0")
    found = virtual_weights(
        upper, lower, model=(linear, byte_tokenizer), hook_points=points, texts=TEXTS
    )
    rows, below = read(linear, byte_tokenizer, *points)
    np.testing.assert_allclose(found.mean_codes, lower.transform(below).mean(axis=0), rtol=1e-5)
    before = upper.transform(rows)
    for feature in range(12):
        with intervene(linear, points[1], lower, Ablate(feature)):
            (ablated,) = read(linear, byte_tokenizer, points[0])
        drop = (before - upper.transform(ablated)).mean(axis=0)
        np.testing.assert_allclose(found.contributions[:, feature], drop, rtol=1e-3, atol=1e-5)
    assert found.rms == 1 and found.n_tokens == len(rows)
    np.testing.assert_allclose(found.contributions, found.weights * found.mean_codes, rtol=1e-5)


def test_in_a_linear_stream_it_is_the_drop_of_a_circuit(linear, byte_tokenizer):
    lower = RandomDictionary(12, random_state=0).fit(ROWS.astype(np.float32))
    upper = PCA(6).fit(ROWS.astype(np.float32))
    dictionaries = {"resid_post.2": upper, "resid_post.0": lower}
    circuit = find_circuit(
        (linear, byte_tokenizer),
        dictionaries,
        ("resid_post.2", 1),
        TEXTS,
        n_contexts=1,
        n_parents=3,
    )
    weights = virtual_weights(upper, lower, features=1).weights[0]
    rows, below = read(linear, byte_tokenizer, "resid_post.2", "resid_post.0")
    strong = np.flatnonzero(upper.transform(rows)[:, 1] >= circuit.nodes[0]["max_activation"] / 2)
    possible = weights * lower.transform(below[strong])
    for edge in circuit.edges:
        drops = possible[:, edge["parent"][1]]
        assert np.abs(drops - edge["drop"]).min() < 1e-4 * edge["drop"]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "phi"])
def test_contributions_of_all_neurons_add_up_to_the_pre_activation(family, byte_tokenizer):
    """The mean pre-activation is their sum, plus what the biases of encoder and norm add."""
    model, generator = build(family), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if "norm" in type(module).__name__.lower():
                for weight in module.parameters():
                    weight += 0.3 * torch.randn(weight.shape, generator=generator)
    below = "resid_pre.2" if family == "phi" else "resid_mid.2"
    neurons = IdentityDictionary().fit(ROWS.astype(np.float32))
    upper = PCA(6).fit(ROWS.astype(np.float32))
    found = virtual_weights(
        upper, neurons, model=(model, byte_tokenizer), hook_points=("mlp_in.2", below), texts=TEXTS
    )
    (rows,) = read(model, byte_tokenizer, "mlp_in.2")
    bias = {
        "gpt2": lambda: model.transformer.h[2].ln_2.bias,
        "phi": lambda: model.model.layers[2].input_layernorm.bias,
    }.get(family, lambda: torch.zeros(16))()
    constant = upper.transform(bias.detach().numpy()[None])[0]
    total = found.contributions.sum(axis=1) + constant
    np.testing.assert_allclose(total, upper.transform(rows).mean(axis=0), rtol=1e-4, atol=1e-5)


def test_transcoders_through_a_norm_by_the_formula(linear, byte_tokenizer, transcoder):
    upper = SparseDictionaryAutoencoder(24, tied_weights=False, max_iter=1, random_state=0)
    upper.fit(ROWS.astype(np.float32))
    points = "mlp_in.2", ("mlp_in.0", "mlp_out.0")
    options = {"model": (linear, byte_tokenizer), "hook_points": points, "features": [3, 0]}
    found = virtual_weights(upper, transcoder, **options, texts=TEXTS)
    stream, below = read(linear, byte_tokenizer, "resid_post.1", "mlp_in.0")
    rms = np.sqrt((stream**2).mean(axis=1) + 1e-6)
    gain = np.linspace(0.5, 2, 16)
    unit = (upper.encoder_[[3, 0]] * gain) @ transcoder.components_.T
    codes = transcoder.transform(below).toarray()
    np.testing.assert_allclose(found.weights, unit * (1 / rms).mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.rms, 1 / (1 / rms).mean(), rtol=1e-5)
    expected = np.mean([unit * c / r for c, r in zip(codes, rms, strict=True)], axis=0)
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-4, atol=1e-6)

    plain = virtual_weights(upper, transcoder, **options)
    np.testing.assert_allclose(plain.weights, unit, rtol=1e-4, atol=1e-6)
    assert plain.rms == 1
    assert plain.contributions is plain.mean_codes is plain.n_tokens is None

    stated = virtual_weights(upper, transcoder, **options, texts=TEXTS, rms=4.0)
    np.testing.assert_allclose(stated.weights, unit / 4, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stated.contributions, unit / 4 * codes.mean(axis=0), rtol=1e-4)


def test_contributions_where_features_fire(linear, byte_tokenizer, transcoder):
    upper = RandomDictionary(24, random_state=0).fit(ROWS)
    points = "mlp_in.2", ("mlp_in.0", "mlp_out.0")
    options = {"model": (linear, byte_tokenizer), "hook_points": points, "texts": TEXTS}
    found = virtual_weights(upper, transcoder, **options, average_over="firing")
    weights = virtual_weights(upper, transcoder, model=linear, hook_points=points).weights
    stream, above, below = read(linear, byte_tokenizer, "resid_post.1", "mlp_in.2", "mlp_in.0")
    fires = upper.transform(above) > 0
    assert 0 < fires.mean() < 1
    scaled = transcoder.transform(below).toarray() / np.sqrt((stream**2).mean(1, keepdims=True))
    expected = [w * scaled[f].mean(axis=0) for w, f in zip(weights, fires.T, strict=True)]
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-3, atol=1e-6)
    some = virtual_weights(upper, transcoder, **options, average_over="firing", features=[5])
    np.testing.assert_allclose(some.contributions, found.contributions[[5]], rtol=1e-5)
    stated = virtual_weights(upper, transcoder, **options, average_over="firing", rms=2.0)
    codes = transcoder.transform(below).toarray()
    expected = [w / 2 * codes[f].mean(axis=0) for w, f in zip(weights, fires.T, strict=True)]
    np.testing.assert_allclose(stated.contributions, expected, rtol=1e-3, atol=1e-6)


def test_contributions_to_a_feature_that_never_fires_are_unknown(linear, byte_tokenizer):
    upper = SparseDictionaryAutoencoder(24, max_iter=1, random_state=0).fit(ROWS)
    upper.encoder_bias_[3] = -1e6
    options = {"model": (linear, byte_tokenizer), "hook_points": RESIDUAL, "texts": TEXTS}
    found = virtual_weights(upper, upper, **options, average_over="firing", features=[3])
    assert np.isnan(found.contributions).all() and np.isfinite(found.weights).all()


def test_an_upper_transcoder_reads_with_its_encoder(linear, transcoder):
    lower = RandomDictionary(12, random_state=0).fit(ROWS)
    points = ("mlp_in.2", "mlp_out.2"), "resid_post.0"
    found = virtual_weights(transcoder, lower, model=linear, hook_points=points)
    folded = transcoder.encoder_ * np.linspace(0.5, 2, 16)
    expected = lower.gain_ * folded @ lower.components_.T
    np.testing.assert_allclose(found.weights, expected, rtol=1e-4, atol=1e-6)


def test_all_that_was_written_adds_up_to_the_pre_activation(byte_tokenizer):
    """The stream before an MLP is what there was, plus what neurons and attention have added."""
    model = build("llama")
    with torch.no_grad():
        model.model.layers[1].post_attention_layernorm.weight.copy_(torch.linspace(0.5, 2, 16))
    neurons = IdentityDictionary().fit(ROWS.astype(np.float32))
    mlp = NeuronTranscoder(model, 0).fit()
    # The axes themselves are the upper features, so that codes are pre-activations.
    lower = {"resid_mid.0": neurons, ("mlp_in.0", "mlp_out.0"): mlp, "attn_out.1": neurons}
    total = 0
    for point, dictionary in lower.items():
        options = {"model": (model, byte_tokenizer), "hook_points": ("mlp_in.1", point)}
        found = virtual_weights(neurons, dictionary, **options, texts=TEXTS)
        assert found.contributions.shape == (16, len(dictionary.components_))
        total = total + found.contributions.sum(axis=1)
    (rows,) = read(model, byte_tokenizer, "mlp_in.1")
    np.testing.assert_allclose(total, rows.mean(axis=0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="NeuronTranscoder has no encoder directions"):
        virtual_weights(mlp, neurons)


def test_no_hook_remains_and_the_mode_is_restored(byte_tokenizer):
    model = build("llama").train()
    neurons = IdentityDictionary().fit(ROWS)
    points = ("mlp_in.2", "resid_post.0")
    virtual_weights(
        neurons, neurons, model=(model, byte_tokenizer), hook_points=points, texts=TEXTS
    )
    assert all(module.training for module in model.modules())
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"upper": NMF(4).fit(np.abs(ROWS))}, ValueError, "NMF has no encoder"),
        ({"upper": TopKDictionary(PCA(4), 2).fit(ROWS)}, ValueError, "dictionary_"),
        ({"upper": PCA(4)}, TypeError, "components_"),
        ({"lower": PCA(2).fit(ROWS[:, :5])}, ValueError, "width 16 but .* width 5"),
        ({"features": [7]}, ValueError, "contains 7, which does not exist"),
        ({"model": None}, ValueError, "hook_points given without model"),
        ({"model": None, "hook_points": None, "rms": 2.0}, ValueError, "rms given without"),
        ({"hook_points": None}, TypeError, "hook_points=None"),
        ({"hook_points": "mlp_in.2"}, TypeError, "hook_points='mlp_in.2'"),
        (
            {"hook_points": ("mlp_in.2", ("mlp_in.0", "mlp_out.0"))},
            ValueError,
            "PCA is not a transcoder",
        ),
        ({"hook_points": ("mlp_in.0", "resid_post.0")}, ValueError, "reached before"),
        (
            {"hook_points": ("resid_pre.1", "resid_post.0"), "rms": 2.0},
            ValueError,
            "without a norm",
        ),
        ({"rms": 0}, ValueError, "rms"),
        ({"average_over": "some"}, ValueError, "average_over"),
        ({"texts": TEXTS}, TypeError, "without its tokenizer"),
    ],
)
def test_bad_input(linear, changes, error, message):
    pca = PCA(6).fit(ROWS)
    arguments = {"upper": pca, "lower": pca, "model": linear} | changes
    arguments = {"hook_points": ("mlp_in.2", "resid_post.0")} | arguments
    with pytest.raises(error, match=message):
        virtual_weights(arguments.pop("upper"), arguments.pop("lower"), **arguments)


def test_rows_of_another_width_are_rejected(linear, byte_tokenizer):
    lower = SparseTranscoder(8, max_iter=1, random_state=0).fit(ROWS[:, :5], ROWS)
    options = {
        "model": (linear, byte_tokenizer),
        "hook_points": ("mlp_in.2", ("mlp_in.0", "mlp_out.0")),
    }
    with pytest.raises(ValueError, match="has width 16 but .* width 5"):
        virtual_weights(PCA(6).fit(ROWS), lower, **options, texts=TEXTS)
    wide = PCA(6).fit(np.random.default_rng(0).standard_normal((50, 20)))
    with pytest.raises(ValueError, match="width 20 but the residual stream has rows of width 16"):
        virtual_weights(wide, wide, **options | {"hook_points": ("mlp_in.2", "resid_post.0")})


def test_a_transcoder_needs_a_pair(linear, transcoder):
    with pytest.raises(ValueError, match="single hook point"):
        virtual_weights(
            PCA(6).fit(ROWS), transcoder, model=linear, hook_points=("mlp_in.2", "mlp_out.0")
        )
