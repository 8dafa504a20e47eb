"""What enters the MLP gives what the MLP adds, and edits there change nothing else."""

import numpy as np
import pytest
import torch

from skdict import IdentityDictionary
from skdict.interventions import Steer, intervene
from skdict.models import capture, find_blocks, find_hook_point, hook_points
from tests.conftest import build
from tests.tiny_models import build_other

IDS = torch.arange(1, 9)[None]
NEURONS = IdentityDictionary().fit(np.zeros((2, 16)))


def add(block, stream, mlp_out):
    return stream + mlp_out


def opt_mlp(block, x):
    return block.fc2(block.activation_fn(block.fc1(x)))


def whole_mlp(block, x):
    return block.mlp(x)


def mlp_and_norm(block, x):
    return block.post_feedforward_layernorm(block.mlp(x))


LLAMA = (lambda block, x: block.post_attention_layernorm(x), whole_mlp, add)
GEMMA = (lambda block, x: block.pre_feedforward_layernorm(x), mlp_and_norm, add)
# Written out by hand: what follows the sum of stream and attention, the MLP and what follows it,
# and the end of the block, from the stream beside the MLP and what the MLP adds.
SEQUENTIAL = {
    "gpt2": (lambda block, x: block.ln_2(x), whole_mlp, add),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gpt_neox_sequential": LLAMA,
    "falcon_sequential": LLAMA,
    "gemma2": GEMMA,
    "gemma3": GEMMA,
    "olmo2": (lambda block, x: x, mlp_and_norm, add),
    "modernbert": (lambda block, x: block.mlp_norm(x), whole_mlp, add),
    "opt": (lambda block, x: block.final_layer_norm(x), opt_mlp, add),
    "opt_post_norm": (
        lambda block, x: block.self_attn_layer_norm(x),
        opt_mlp,
        lambda block, stream, mlp_out: block.final_layer_norm(stream + mlp_out),
    ),
    "bert": (
        lambda block, x: block.attention.output.LayerNorm(x),
        lambda block, x: block.output.dense(block.intermediate(x)),
        lambda block, stream, mlp_out: block.output.LayerNorm(stream + mlp_out),
    ),
    "distilbert": (
        lambda block, x: block.sa_layer_norm(x),
        lambda block, x: block.ffn(x),
        lambda block, stream, mlp_out: block.output_layer_norm(stream + mlp_out),
    ),
}
NORM_BEHIND_SUM = ("bert", "distilbert", "opt_post_norm")
# What the MLP reads is a norm of what the block reads.
PARALLEL = {
    "gpt_neox": lambda block, x: block.post_attention_layernorm(x),
    "phi": lambda block, x: block.input_layernorm(x),
    "gptj": lambda block, x: block.ln_1(x),
    "falcon": lambda block, x: block.input_layernorm(x),
    "falcon_two_norms": lambda block, x: block.ln_mlp(x),
    "cohere": lambda block, x: block.input_layernorm(x),
}


def any_build(family):
    try:
        return build(family)
    except KeyError:
        return build_other(family)


def read(model, *kinds, block=1):
    points = {kind: find_hook_point(model, f"{kind}.{block}") for kind in kinds}
    with torch.no_grad(), capture(points) as values:
        model(IDS)
    # OPT flattens texts and tokens on the way through its MLP.
    return [values[kind].reshape(*IDS.shape, -1) for kind in kinds]


def steered(model, kind):
    """Return the output of block 1 with coordinate 3 of a hook point raised by 2."""
    with intervene(model, f"{kind}.1", NEURONS, Steer(3, 2.0)):
        return read(model, "resid_post")[0]


def by_hand(x):
    """Return activations with the same edit, which leaves out the first token."""
    x = x.clone()
    x[:, 1:, 3] += 2
    return x


def close(left, right):
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("family", SEQUENTIAL)
def test_stream_and_mlp_of_sequential_blocks(family, block):
    model, (before, mlp, end) = any_build(family), SEQUENTIAL[family]
    kinds = ("resid_pre", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post")
    pre, attention, mid, entering, added, post = read(model, *kinds, block=block)
    module = find_blocks(model)[block]
    torch.testing.assert_close(mid, pre + attention, rtol=0, atol=0)
    close(before(module, mid), entering)
    close(mlp(module, entering), added)
    close(end(module, entering if family in NORM_BEHIND_SUM else mid, added), post)
    assert torch.equal(mid, entering) == (family == "olmo2")


@torch.no_grad()
@pytest.mark.parametrize("family", SEQUENTIAL)
def test_edits_of_sequential_blocks(family):
    model, (before, mlp, end) = any_build(family), SEQUENTIAL[family]
    mid, entering, post = read(model, "resid_mid", "mlp_in", "resid_post")
    block, behind = find_blocks(model)[1], family in NORM_BEHIND_SUM
    new = by_hand(mid)
    expected = end(block, before(block, new) if behind else new, mlp(block, before(block, new)))
    close(steered(model, "resid_mid"), expected)
    # Only the MLP sees an edit of its input.
    expected = end(block, entering if behind else mid, mlp(block, by_hand(entering)))
    close(steered(model, "mlp_in"), expected)
    assert not torch.allclose(expected, post, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("family", PARALLEL)
def test_parallel_blocks(family):
    model = any_build(family)
    kinds = ("resid_pre", "attn_out", "mlp_in", "mlp_out", "resid_post")
    pre, attention, entering, added, post = read(model, *kinds)
    block = find_blocks(model)[1]
    close(PARALLEL[family](block, pre), entering)
    close(block.mlp(entering), added)
    close(pre + attention + added, post)
    close(steered(model, "mlp_in"), pre + attention + block.mlp(by_hand(entering)))
    assert {name.partition(".")[0] for name in hook_points(model)} == {
        *kinds,
        "attn_heads",
        "mlp_act",
    }
    with pytest.raises(ValueError, match=r"have no resid_mid: .* in parallel.*pass resid_pre"):
        find_hook_point(model, "resid_mid.1")
