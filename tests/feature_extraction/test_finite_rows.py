"""Kind E: rows are finite, or the error names the text, the hook point and the likely cause."""

import numpy as np
import pytest
import torch
from torch import nn

from skdict import ActivationExtractor
from skdict.feature_extraction import extract_activations
from tests.conftest import build

TEXTS = ["hello", "z zebra", "world"]


@pytest.fixture
def model():
    return build("llama")


def read(model, tokenizer, hook_point="resid_post.1", texts=TEXTS, **options):
    return ActivationExtractor((model, tokenizer), hook_point, **options).transform(texts)


@torch.no_grad()
def test_a_weight_that_is_infinite_is_named(model, byte_tokenizer):
    model.model.layers[0].mlp.down_proj.weight[0, 0] = float("inf")
    with pytest.raises(
        ValueError,
        match=r"texts\[\d\] gives .* at hook_point='resid_post.1'.*layers\.0\.mlp\.down_proj",
    ):
        read(model, byte_tokenizer)
    # What comes before the fault is right, and given.
    plain = build("llama")
    np.testing.assert_array_equal(
        np.asarray(read(model, byte_tokenizer, "resid_pre.0")),
        np.asarray(read(plain, byte_tokenizer, "resid_pre.0")),
    )


@torch.no_grad()
def test_one_token_gives_nan_and_its_text_is_named(model, byte_tokenizer):
    z = byte_tokenizer("z")["input_ids"][0]
    model.model.embed_tokens.weight[z] = float("nan")
    with pytest.raises(ValueError, match=rf"texts\[1\] gives NaN .* its token 0 \(id {z}\)"):
        read(model, byte_tokenizer, skip_first=0)
    assert read(model, byte_tokenizer, texts=["hello", "world"]).shape == (8, 16)
    chunks = ActivationExtractor((model, byte_tokenizer), "resid_post.1").iter_transform(
        ["hello", "world", "abc", "xyz"], chunk_size=3
    )
    assert next(chunks).shape == (10, 16)
    with pytest.raises(ValueError, match=r"texts\[3\] gives NaN"):
        next(chunks)


@torch.no_grad()
def test_float16_overflow_is_named(model, byte_tokenizer):
    model.model.layers[0].mlp.down_proj.weight.mul_(1e4)
    model.model.layers[0].mlp.up_proj.weight.mul_(1e4)
    wide = read(model, byte_tokenizer)
    assert 65504 < np.abs(np.asarray(wide)).max() < np.inf
    with pytest.raises(ValueError, match=r"runs in float16, which overflows above 65504"):
        read(model.half(), byte_tokenizer)


def test_a_module_that_divides_by_zero(byte_tokenizer):
    class Divided(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(300, 4)
            self.divide = nn.Identity()

        def forward(self, ids):
            return self.divide(self.embed(ids) / (ids - ids)[..., None])

    with pytest.raises(ValueError, match="all weights are finite"):
        read(Divided(), byte_tokenizer, "divide")


@torch.no_grad()
def test_pooled_and_several_hook_points(model, byte_tokenizer):
    model.model.layers[1].self_attn.v_proj.weight[:] = float("nan")
    with pytest.raises(ValueError, match="hook_point='resid_post.1'"):
        read(model, byte_tokenizer, pooling="max")
    with pytest.raises(ValueError, match="hook_point='resid_post.2'"):
        extract_activations((model, byte_tokenizer), ["resid_post.0", "resid_post.2"], TEXTS)


@torch.no_grad()
def test_nothing_that_is_not_finite_is_cached(model, byte_tokenizer, tmp_path):
    weight = model.model.layers[0].mlp.down_proj.weight
    kept = weight[0, 0].item()
    weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="gives NaN"):
        read(model, byte_tokenizer, cache_dir=tmp_path)
    assert not list(tmp_path.rglob("*.npy"))
    weight[0, 0] = kept
    np.testing.assert_array_equal(
        np.asarray(read(model, byte_tokenizer, cache_dir=tmp_path)),
        np.asarray(read(build("llama"), byte_tokenizer)),
    )


def test_padding_and_masks_that_are_infinite_do_no_harm(model, byte_tokenizer):
    model.register_buffer("mask", torch.full((3, 3), float("-inf")))
    expected = read(build("llama"), byte_tokenizer)
    np.testing.assert_array_equal(np.asarray(read(model, byte_tokenizer)), np.asarray(expected))
