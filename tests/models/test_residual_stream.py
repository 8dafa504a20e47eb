"""Norms before hook points are found and folded as a forward pass computes them."""

import copy

import pytest
import torch
from torch import nn

from skdict.models import capture, find_hook_point, norm_before, residual_stream_width
from skdict.models._residual_stream import probed_norm
from tests.conftest import build
from tests.tiny_models import build_other

IDS = torch.tensor([[5, 9, 200, 31, 7, 64]])
# Gains of Gemma are one plus their weights.
RMS = {"llama": 0, "qwen3": 0, "gemma2": 1, "gemma3": 1}
LAYER_NORM = ("gpt2", "gpt_neox", "phi", "opt", "falcon_two_norms", "cohere")


def with_gains(family, dtype=torch.float32):
    """Return a model of a family whose norms have random gains and biases."""
    others = ("falcon_two_norms", "cohere", "olmo2", "opt_post_norm")
    model = copy.deepcopy(build_other(family) if family in others else build(family))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if "norm" in type(module).__name__.lower():
                for weight in module.parameters():
                    weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model.to(dtype)


def read(model, *names):
    with torch.no_grad(), capture({name: find_hook_point(model, name) for name in names}) as values:
        model(IDS)
    return [values[name].reshape(*IDS.shape, -1).float() for name in names]


def stream_of(family):
    return (
        "resid_pre.2"
        if family in ("gpt_neox", "phi", "falcon_two_norms", "cohere")
        else "resid_mid.2"
    )


@pytest.mark.parametrize("family", [*RMS, *LAYER_NORM])
def test_the_folded_encoder_reads_the_stream_as_the_encoder_reads_the_norm(family):
    model = with_gains(family)
    norm = norm_before(model, "mlp_in.2")
    stream, normed = read(model, stream_of(family), "mlp_in.2")
    encoder = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    centred = stream - stream.mean(-1, keepdim=True) if norm.centers else stream
    eps = next(
        value for name, value in vars(norm.module).items() if name.endswith(("eps", "epsilon"))
    )
    scale = (centred.square().mean(-1, keepdim=True) + eps).rsqrt()
    folded = scale * (stream @ norm.fold(encoder).T) + encoder @ norm.bias
    torch.testing.assert_close(folded, normed @ encoder.T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.scales(stream, normed), scale[..., 0], rtol=1e-4, atol=1e-4)
    assert norm.centers == (family in LAYER_NORM)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_gains_are_those_of_the_module_in_half_precision(family):
    norm = norm_before(with_gains(family, torch.bfloat16), "mlp_in.2")
    expected = RMS.get(family, 0) + norm.module.weight.float()
    torch.testing.assert_close(norm.gain, expected, rtol=1e-2, atol=0)


@pytest.mark.parametrize("width", [3, 8, 15])
def test_odd_widths(width):
    module = nn.LayerNorm(width)
    nn.init.normal_(module.weight)
    nn.init.normal_(module.bias)
    norm = probed_norm(module, torch.zeros(1, 1, width))
    assert norm.centers
    torch.testing.assert_close(norm.gain, module.weight.data)
    torch.testing.assert_close(norm.bias, module.bias.data, rtol=1e-4, atol=1e-5)


def test_no_norm_where_the_stream_is_read_directly():
    # OLMo 2 has norms after its parts, not before them.
    assert norm_before(with_gains("olmo2"), "mlp_in.2") is None
    assert norm_before(with_gains("llama"), "resid_post.1") is None


class SquashedNorm(nn.Module):
    """A module that is called a norm and is not one."""

    def forward(self, hidden_states):
        return hidden_states.tanh()


def test_another_function_between_stream_and_mlp_is_rejected():
    model = with_gains("llama")
    model.model.embed_tokens.weight.data *= 50
    model.model.layers[2].post_attention_layernorm = SquashedNorm()
    with pytest.raises(ValueError, match="through an RMSNorm or a LayerNorm"):
        norm_before(model, "mlp_in.2")


@pytest.mark.parametrize(
    ("upper", "lower", "message"),
    [
        ("mlp_in.1", "mlp_out.1", "reached before"),
        ("resid_pre.1", "resid_mid.1", "reached before"),
        ("mlp_out.2", "resid_post.0", "'mlp_out.2' does not read"),
        ("mlp_in.2", "mlp_act.0", "'mlp_act.0' does not write"),
        ("mlp_in.2", "lm_head", "'lm_head' does not write"),
        ("mlp_in.9", "resid_post.0", "not found"),
    ],
)
def test_paths_that_do_not_exist_are_rejected(upper, lower, message):
    with pytest.raises(ValueError, match=message):
        residual_stream_width(build("llama"), upper, lower)


@pytest.mark.parametrize(
    ("upper", "lower"),
    [("mlp_in.1", "attn_out.1"), ("mlp_in.1", "resid_mid.1"), ("resid_pre.2", "mlp_out.1")],
)
def test_paths_inside_a_block(upper, lower):
    assert residual_stream_width(build("llama"), upper, lower) == 16


def test_a_parallel_mlp_does_not_read_the_attention_of_its_block():
    with pytest.raises(ValueError, match="reached before"):
        residual_stream_width(build("phi"), "mlp_in.1", "attn_out.1")
    assert residual_stream_width(build("phi"), "mlp_in.1", "resid_pre.1") == 16


@pytest.mark.parametrize("family", ["bert", "opt_post_norm"])
def test_a_stream_with_norms_after_its_sums_is_rejected(family):
    with pytest.raises(ValueError, match="is not the sum"):
        residual_stream_width(with_gains(family), "mlp_in.2", "resid_post.0")
