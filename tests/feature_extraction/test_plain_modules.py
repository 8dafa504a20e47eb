"""Models of no known family, and torch modules that transformers knows nothing of."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.models import hook_points, load_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ["abcdefgh", "xy", "hello there", "abc", "zz"]


class GatedBlock(nn.Module):
    """A block in which what the MLP gives is multiplied by what attention gives."""

    def __init__(self):
        super().__init__()
        self.attention = nn.Linear(8, 8)
        self.feed_forward = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 8))

    def forward(self, hidden_states):
        gate = self.attention(hidden_states)
        return hidden_states + gate * self.feed_forward(hidden_states)


class GatedModel(PreTrainedModel):
    """A made-up family with a configuration and a list of blocks."""

    config_class = PreTrainedConfig

    def __init__(self, config):
        super().__init__(config)
        self.embedding = nn.Embedding(300, 8)
        self.stack = nn.ModuleList(GatedBlock() for _ in range(config.num_hidden_layers))
        self.post_init()

    def forward(self, input_ids, attention_mask=None):
        hidden = self.embedding(input_ids)
        for block in self.stack:
            hidden = block(hidden)
        return (hidden,)


class Mixer(nn.Module):
    """No configuration, no mask, an argument of its own name; every token sees all others."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(300, 8)
        self.mix = nn.Linear(8, 6)

    def forward(self, tokens):
        hidden = self.embedding(tokens)
        return self.mix(hidden + hidden.mean(dim=1, keepdim=True))


def build(kind, *args):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args).eval()


@pytest.fixture
def gated():
    return build(GatedModel, PreTrainedConfig(num_hidden_layers=2)), tiny_tokenizer("bos")


@pytest.fixture
def mixer():
    return build(Mixer), tiny_tokenizer("none")


@torch.no_grad()
def alone(pair, text):
    """Return what the last module gives for one text, read by nothing of ours."""
    model, tokenizer = pair
    out = model(torch.tensor([tokenizer(text)["input_ids"]]))
    return (out[0] if isinstance(out, tuple) else out)[0].numpy()


@pytest.mark.parametrize(
    "kind", ["attn_out", "attn_heads", "resid_mid", "mlp_in", "mlp_out", "mlp_act"]
)
def test_parts_that_do_not_add_up_are_refused_with_the_modules_there_are(gated, kind):
    with pytest.raises(
        ValueError,
        match=r"GatedModel do not add up .* a block has attention, feed_forward, feed_forward\.0",
    ):
        ActivationExtractor(gated, f"{kind}.1").transform(TEXTS)


@pytest.mark.parametrize("place", ["resid_post.1", "stack.1"])
def test_the_stream_of_an_unknown_family_needs_no_parts(gated, place):
    acts = ActivationExtractor(gated, place, skip_first=0, batch_size=3).transform(TEXTS)
    expected = np.concatenate([alone(gated, text) for text in TEXTS])
    np.testing.assert_allclose(np.asarray(acts), expected, atol=1e-6)
    inside = ActivationExtractor(gated, "stack.0.feed_forward.0").transform(TEXTS)
    assert inside.shape[1] == 12


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_a_module_without_a_mask_never_sees_padding(mixer, batch_size):
    options = {"skip_first": 0, "batch_size": batch_size, "max_length": 6}
    acts = ActivationExtractor(mixer, "mix", **options).transform(TEXTS)
    expected = np.concatenate([alone(mixer, text[:6]) for text in TEXTS])
    np.testing.assert_allclose(np.asarray(acts), expected, atol=1e-6)
    codes = SparseDictionaryAutoencoder(12, max_iter=1, random_state=0).fit_transform(acts)
    assert codes.shape == (len(acts), 12)


def test_equal_lengths_share_a_pass(mixer):
    passes = []
    handle = mixer[0].register_forward_pre_hook(lambda module, args: passes.append(args[0].shape))
    ActivationExtractor(mixer, "mix").transform(["abcd", "xy", "efgh", "zz", "ijkl"])
    handle.remove()
    assert passes[1:] == [(3, 4), (2, 2)]


def test_rows_of_a_module_are_kept_by_its_content(mixer, tmp_path):
    options = {"skip_first": 0, "cache_dir": tmp_path}
    first = ActivationExtractor(mixer, "mix", **options).transform(TEXTS)
    again = ActivationExtractor(mixer, "mix", **options).transform(TEXTS)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(first))
    with torch.no_grad():
        mixer[0].mix.bias.add_(1)
    moved = ActivationExtractor(mixer, "mix", **options).transform(TEXTS)
    np.testing.assert_allclose(np.asarray(moved), np.asarray(first) + 1, atol=1e-6)


def test_a_module_without_a_configuration_has_no_named_places(mixer):
    model, _ = load_model(mixer, device="cpu")
    for ask in (hook_points, lambda model: ActivationExtractor(mixer, "resid_post.0").fit(TEXTS)):
        with pytest.raises(ValueError, match=r"Mixer has no configuration .* embedding, mix"):
            ask(model)
    with pytest.raises(ValueError, match="this model has embedding, mix"):
        ActivationExtractor(mixer, "nowhere").fit(TEXTS)
