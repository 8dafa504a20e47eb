"""The neurons of an MLP: written out for each kind of MLP, and equal to the model without k."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from transformers import BloomConfig, BloomForCausalLM

from skdict import IdentityDictionary, compare_dictionaries
from skdict._core import HostTranscoder
from skdict.decomposition import (
    NeuronTranscoder,
    TopKDictionary,
    dictionary_atoms,
    dictionary_offset,
    is_transcoder,
    to_torch,
)
from skdict.interventions import Ablate, Reconstruct, intervene
from skdict.models import capture, find_hook_point
from tests.conftest import FAMILIES, build
from tests.tiny_models import build_other

IDS = torch.tensor([[5, 9, 2, 7, 30, 11], [8, 1, 4, 4, 60, 3]])
WITHOUT = {
    "opt": "not one module",
    "bert": "not one module",
    "gemma2": "a norm follows the last matrix",
    "gemma3": "a norm follows the last matrix",
}


def read(model, *names, ids=IDS):
    points = {name: find_hook_point(model, name) for name in names}
    with torch.no_grad(), capture(points) as values:
        model(ids)
    return [values[name].reshape(ids.numel(), -1).numpy() for name in names]


@pytest.mark.parametrize("family", [*(f for f in FAMILIES if f not in WITHOUT), "falcon", "gptj"])
def test_all_neurons_are_the_mlp(family):
    model = build(family) if family in FAMILIES else build_other(family)
    x, hidden, y = read(model, "mlp_in.1", "mlp_act.1", "mlp_out.1")
    neurons = NeuronTranscoder(model, 1).fit(x, y)
    np.testing.assert_allclose(neurons.transform(x), hidden, atol=1e-7)
    np.testing.assert_allclose(neurons.predict(x), y, atol=1e-6 * np.abs(y).max())
    assert neurons.score(x, y) == pytest.approx(1, abs=1e-9)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("k", [1, 5, 32, 100])
def test_the_strongest_neurons_by_the_slow_way(k):
    model = build("llama")
    mlp = model.model.layers[1].mlp
    gate, up, down = (
        getattr(mlp, f"{name}_proj").weight.detach().numpy() for name in ("gate", "up", "down")
    )
    x = read(model, "mlp_in.1")[0]
    neurons = NeuronTranscoder(model, 1, k=k).fit()
    expected, codes = np.zeros((len(x), 16)), neurons.transform(x)
    for i, row in enumerate(x):
        g, u = gate @ row, up @ row
        hidden = g / (1 + np.exp(-g)) * u
        sizes = [abs(h) * np.sqrt((down[:, j] ** 2).sum()) for j, h in enumerate(hidden)]
        strongest = sorted(range(32), key=lambda j, sizes=sizes: -sizes[j])[:k]
        assert sorted(codes[[i]].indices.tolist()) == sorted(strongest)
        for j in strongest:
            expected[i] += hidden[j] * down[:, j]
    np.testing.assert_allclose(neurons.predict(x), expected, rtol=1e-4, atol=1e-8)


def test_biases_and_matrices_of_gpt2():
    model = build("gpt2")
    mlp = model.transformer.h[1].mlp
    with torch.no_grad():
        mlp.c_proj.bias.normal_()
    neurons = NeuronTranscoder(model, 1).fit()
    np.testing.assert_array_equal(neurons.components_, mlp.c_proj.weight.detach().numpy())
    np.testing.assert_array_equal(neurons.offset_, mlp.c_proj.bias.detach().numpy())
    # Copies: what the user does to them stays out of the model.
    neurons.components_[:] = 0
    assert mlp.c_proj.weight.any()


def test_the_table_keeps_as_many_neurons():
    model = build("gpt_neox")
    ids = torch.randint(300, (10, 12), generator=torch.Generator().manual_seed(0))
    x, y = read(model, "mlp_in.1", "mlp_out.1", ids=ids)
    table = compare_dictionaries(
        {"neurons": NeuronTranscoder(model, 1)}, x, x, y_train=y, y_test=y, n_active=[2, 8, 32]
    )
    for k in (2, 8, 32):
        own = NeuronTranscoder(model, 1, k=k).fit(x)
        assert table["neurons", k]["fvu"] == pytest.approx(1 - own.score(x, y), abs=1e-6)
        assert table["neurons", k]["l0"] == k
    fvus = [table["neurons", k]["fvu"] for k in (2, 8, 32)]
    assert fvus[0] > fvus[1] > fvus[2] == pytest.approx(0, abs=1e-9)


def test_it_is_a_transcoder_and_its_clones_share_the_model():
    model = build("llama")
    (x,) = read(model, "mlp_in.1")
    neurons = NeuronTranscoder((model, None), 1, k=4)
    copied = clone(neurons)
    assert copied.model[0] is model and not hasattr(copied, "components_")
    neurons.fit(x)
    assert is_transcoder(neurons)
    assert neurons.get_feature_names_out()[0] == "neurontranscoder0"
    np.testing.assert_allclose(dictionary_atoms(neurons), neurons.components_, atol=1e-7)
    np.testing.assert_allclose(dictionary_offset(neurons), neurons.offset_, atol=1e-7)
    again = pickle.loads(pickle.dumps(neurons))
    np.testing.assert_array_equal(again.predict(x), neurons.predict(x))
    assert neurons.predict(x.astype(np.float64)).dtype == np.float64
    with pytest.raises(ValueError, match="predicts other rows than those that it encodes"):
        TopKDictionary(neurons, 2).fit(x)


def test_rows_do_not_depend_on_their_batch():
    model = build("gpt2")
    (x,) = read(model, "mlp_in.1")
    neurons = NeuronTranscoder(model, 1, k=4).fit(x)
    alone = np.vstack([neurons.predict(x[[i]]) for i in range(len(x))])
    np.testing.assert_allclose(alone, neurons.predict(x), atol=1e-7)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_inside_the_model_it_is_part_of(family):
    model = build(family)
    pair = "mlp_in.1", "mlp_out.1"
    frozen = to_torch(NeuronTranscoder(model, 1).fit(), device="cpu")
    assert isinstance(frozen, HostTranscoder)
    x, y = read(model, "mlp_in.1", "mlp_out.1")
    predicted = frozen.predict(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(predicted, y, atol=1e-6)
    # The MLP runs inside its own hook, and the pass goes on: other edits above are made as well.
    top = IdentityDictionary().fit(np.zeros((2, 16)))
    with torch.no_grad():
        plain = model(IDS).logits
        with intervene(model, "resid_post.2", top, Ablate(0)):
            with intervene(model, pair, frozen, Reconstruct()):
                (got,) = read(model, "resid_post.2")
                assert not got.reshape(2, 6, 16)[:, 1:, 0].any()
        with intervene(model, pair, frozen, Reconstruct()):
            torch.testing.assert_close(model(IDS).logits, plain, atol=1e-6, rtol=0)
        # Without a neuron, as by a hook on the last matrix.
        with intervene(model, pair, frozen, Ablate([3, 7]), positions=range(6)):
            edited = model(IDS).logits
        units = IdentityDictionary().fit(np.zeros((2, 32)))
        with intervene(model, "mlp_act.1", units, Ablate([3, 7]), positions=range(6)):
            torch.testing.assert_close(edited, model(IDS).logits, atol=1e-6, rtol=0)
        assert not torch.equal(edited, plain)


@pytest.mark.parametrize("family", WITHOUT)
def test_mlps_that_cannot_be_run_on_rows(family):
    with pytest.raises(ValueError, match=WITHOUT[family] + ".*compare dictionaries of mlp_act"):
        NeuronTranscoder(build(family), 1).fit()


class Adapted(nn.Module):
    """A matrix with an adapter, which its weights do not include."""

    def __init__(self, base):
        super().__init__()
        self.base_layer, self.weight, self.bias = base, base.weight, base.bias
        self.in_features = base.in_features

    def forward(self, x):
        return self.base_layer(x) * 2


class Doubling(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 2


def test_weights_that_are_not_what_is_computed():
    adapted, doubled = build("llama"), build("llama")
    mlp = adapted.model.layers[1].mlp
    mlp.down_proj = Adapted(mlp.down_proj)
    doubled.model.layers[1].mlp.down_proj.__class__ = Doubling
    for model in (adapted, doubled):
        with pytest.raises(ValueError, match="weights cannot be read; load the model without"):
            NeuronTranscoder(model, 1).fit()


def test_an_mlp_that_needs_more_than_its_rows():
    shape = {"vocab_size": 300, "hidden_size": 16, "n_layer": 3, "n_head": 2}
    model = BloomForCausalLM(BloomConfig(**shape)).eval()
    message = "BloomMLP cannot be run on rows of mlp_in alone .*residual.*mlp_act instead"
    with pytest.raises(ValueError, match=message):
        NeuronTranscoder(model, 1).fit()


def test_an_mlp_that_does_something_else_in_the_model():
    model, entered = build("llama"), []
    layer = model.model.layers[1]

    def double_once(module, args, output):
        return 2 * output if entered and entered.pop() else output

    layer.register_forward_pre_hook(lambda *_: entered.append(True))
    layer.mlp.down_proj.register_forward_hook(double_once)
    with pytest.raises(ValueError, match="LlamaMLP does not return the rows of mlp_out for those"):
        NeuronTranscoder(model, 1).fit()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"block": 3}, ValueError, "'mlp_in.3' not found; this model has 'mlp_in.0' to 'mlp_in.2'"),
        ({"block": -1}, ValueError, "block=-1"),
        ({"block": "mlp_in.1"}, TypeError, "block='mlp_in.1'"),
        ({"k": 0}, ValueError, "k=0"),
        ({"X": np.zeros((3, 5))}, ValueError, "X has 5 columns but the MLP of block 1 reads 16"),
        ({"X": np.full((3, 16), np.nan)}, ValueError, "NaN"),
        ({"model": 3}, TypeError, "model is int"),
    ],
)
def test_bad_input(options, kind, message):
    given = {"model": build("llama"), "block": 1, "X": None} | options
    neurons = NeuronTranscoder(given["model"], given["block"], k=given.get("k"))
    with pytest.raises(kind, match=message):
        neurons.fit(given["X"])
    assert not hasattr(neurons, "components_") and not hasattr(neurons, "n_features_in_")
