"""Names lead to the right places in every family, or to a list of what there is."""

import copy

import pytest
import torch
from torch import nn

from skdict.models import (
    capture,
    find_hook_point,
    hook_points,
    verify_found,
    verify_hook_points,
)
from skdict.models._verification import _verified

IDS = torch.arange(1, 9)[None]
# Written out by hand from each family's own code: the list of blocks, what attention adds, the
# module that its joined heads go into, what the MLP adds, the module its activations go into, the
# module that its input goes into, and the one that reads the stream behind attention.
LLAMA = (
    "model.layers",
    "self_attn.o_proj",
    "self_attn.o_proj",
    "mlp",
    "mlp.down_proj",
    "mlp",
    "post_attention_layernorm",
)
GEMMA = (
    "model.layers",
    "post_attention_layernorm",
    "self_attn.o_proj",
    "post_feedforward_layernorm",
    "mlp.down_proj",
    "mlp",
    "pre_feedforward_layernorm",
)
PARTS = {
    "gpt_neox": (
        "gpt_neox.layers",
        "attention",
        "attention.dense",
        "mlp",
        "mlp.dense_4h_to_h",
        "mlp",
        None,
    ),
    "gpt2": ("transformer.h", "attn", "attn.c_proj", "mlp", "mlp.c_proj", "mlp", "ln_2"),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma2": GEMMA,
    "gemma3": GEMMA,
    "phi": ("model.layers", "self_attn", "self_attn.dense", "mlp", "mlp.fc2", "mlp", None),
    "opt": (
        "model.decoder.layers",
        "self_attn",
        "self_attn.out_proj",
        "fc2",
        "fc2",
        "fc1",
        "final_layer_norm",
    ),
    "bert": (
        "encoder.layer",
        "attention.output.dense",
        "attention.output.dense",
        "output.dense",
        "output.dense",
        "intermediate.dense",
        "attention.output.LayerNorm",
    ),
    "distilbert": (
        "transformer.layer",
        "attention.out_lin",
        "attention.out_lin",
        "ffn",
        "ffn.lin2",
        "ffn",
        "sa_layer_norm",
    ),
}


@torch.no_grad()
def run_with_hooks(model, paths):
    """Return what goes into and comes out of modules, by plain hooks on their paths."""
    seen, handles = {}, []

    def hook(path):
        def save(module, args, kwargs, output):
            incoming = args[0] if args else next(iter(kwargs.values()))
            outgoing = output[0] if isinstance(output, tuple) else output
            seen[path] = incoming.clone(), outgoing.clone()

        return save

    for path in paths:
        module = model.get_submodule(path)
        handles.append(module.register_forward_hook(hook(path), with_kwargs=True))
    model(IDS)
    for handle in handles:
        handle.remove()
    return seen


def read(model, name):
    with torch.no_grad(), capture({name: find_hook_point(model, name)}) as values:
        model(IDS)
    return values[name]


@pytest.mark.parametrize("block", [0, 2])
def test_places_hold_what_the_families_own_modules_do(any_family, block):
    family, model = any_family
    blocks, attention, heads, mlp, hidden, entry, reader = PARTS[family]
    home = f"{blocks}.{block}"
    paths = {
        "block": home,
        "attention": f"{home}.{attention}",
        "heads": f"{home}.{heads}",
        "mlp": f"{home}.{mlp}",
        "hidden": f"{home}.{hidden}",
        "entry": f"{home}.{entry}",
    }
    if reader is not None:
        paths["reader"] = f"{home}.{reader}"
    seen = run_with_hooks(model, paths.values())
    expected = {
        "resid_pre": seen[paths["block"]][0],
        "resid_post": seen[paths["block"]][1],
        "attn_out": seen[paths["attention"]][1],
        "attn_heads": seen[paths["heads"]][0],
        "mlp_out": seen[paths["mlp"]][1],
        "mlp_act": seen[paths["hidden"]][0],
        "mlp_in": seen[paths["entry"]][0],
    }
    if reader is not None:
        # OPT flattens texts and tokens first.
        expected["resid_mid"] = seen[paths["reader"]][0].reshape(*IDS.shape, -1)
    assert [f"{kind}.{block}" for kind in expected if f"{kind}.{block}" in hook_points(model)] == [
        f"{kind}.{block}" for kind in expected
    ]
    for kind, value in expected.items():
        torch.testing.assert_close(read(model, f"{kind}.{block}"), value)
    assert expected["mlp_act"].shape[-1] == 32


@torch.no_grad()
def test_residual_streams_are_transformers_own_hidden_states(any_family):
    _, model = any_family
    states = model(IDS, output_hidden_states=True).hidden_states
    for block in range(3):
        torch.testing.assert_close(read(model, f"resid_pre.{block}"), states[block])
        if block < 2:
            # The last entry of theirs is after the final norm in most families.
            torch.testing.assert_close(read(model, f"resid_post.{block}"), states[block + 1])


def test_every_family_adds_up(any_family):
    family, model = any_family
    _verified.pop(model, None)
    names = hook_points(model)
    verify_found(model, names, IDS[0])
    assert model in _verified
    assert len(names) == (21 if family in ("gpt_neox", "phi") else 24)
    assert names[0] == "resid_pre.0"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_adds_up_too(any_family, dtype):
    _, model = any_family
    lower = copy.deepcopy(model).to(dtype)
    verify_found(lower, hook_points(lower), IDS[0])


def test_a_block_that_does_something_else_is_refused(tiny_model):
    _verified.pop(tiny_model, None)
    block = find_hook_point(tiny_model, "resid_post.0").module
    handle = find_hook_point(tiny_model, "mlp_out.0").module.register_forward_hook(
        lambda module, args, output: output * 1.5
    )
    # The hook above runs before the reading one and so only moves what both see; a hook on
    # the block changes the sum.
    other = block.register_forward_hook(
        lambda module, args, output: (
            (output[0] * 1.1, *output[1:]) if isinstance(output, tuple) else output * 1.1
        )
    )
    try:
        with pytest.raises(ValueError, match=r"do not add up .* a block has "):
            verify_hook_points(tiny_model, IDS)
    finally:
        handle.remove()
        other.remove()
    verify_hook_points(tiny_model, IDS)


def test_module_paths(tiny_model):
    for path, module in list(tiny_model.named_modules())[1:]:
        assert find_hook_point(tiny_model, path).module is module


@pytest.mark.parametrize(
    ("hook_point", "error", "message"),
    [
        ("resid_post.3", ValueError, "'resid_post.0' to 'resid_post.2'"),
        ("mlp_act.9", ValueError, "'mlp_act.0' to 'mlp_act.2'"),
        ("resid.6", ValueError, r"'\.<block>', or the path of a module; this model has"),
        ("", ValueError, "not found"),
        ("blocks.2.hook_resid_pre", ValueError, 'not found; did you mean "resid_pre.2"? pass'),
        ("blocks.12.hook_resid_post", ValueError, 'did you mean "resid_post.12"?'),
        ("blocks.2.hook_attn_out", ValueError, 'did you mean "attn_out.2"?'),
        ("blocks.2.attn.hook_z", ValueError, 'did you mean "attn_heads.2"?'),
        ("blocks.2.hook_mlp_out", ValueError, 'did you mean "mlp_out.2"?'),
        ("blocks.2.mlp.hook_post", ValueError, 'did you mean "mlp_act.2"?'),
        ("blocks.2.hook_resid_mid", ValueError, 'did you mean "resid_mid.2"?'),
        ("blocks.2.mlp.hook_in", ValueError, 'did you mean "mlp_in.2"?'),
        ("blocks.2.hook_mlp_in", ValueError, "the residual stream before the norm, which is resid"),
        ("blocks.2.ln2.hook_normalized", ValueError, "before the weight of an RMSNorm; mlp_in is"),
        ("hook_embed", ValueError, "this TransformerLens name has no equivalent. pass resid_pre,"),
        (2, TypeError, "pass a string such as 'resid_post.2'"),
    ],
)
def test_bad_hook_points(tiny_model, hook_point, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        find_hook_point(tiny_model, hook_point)


def test_a_module_with_a_transformer_lens_name_is_found():
    module = nn.ModuleDict({"blocks": nn.ModuleList([nn.ModuleDict({"hook_mlp_out": nn.Tanh()})])})
    found = find_hook_point(module, "blocks.0.hook_mlp_out")
    assert isinstance(found.module, nn.Tanh) and found.side == "output"


def test_models_without_blocks_or_attention_list_what_there_is(tiny_model):
    class Bare(nn.Module):
        def __init__(self, blocks):
            super().__init__()
            self.config = tiny_model.config
            self.layers = nn.ModuleList(blocks)

    with pytest.raises(ValueError, match="has no list of 3 blocks"):
        find_hook_point(Bare([nn.Linear(2, 2)]), "resid_post.0")
    plain = Bare([nn.Sequential(nn.Linear(2, 2)) for _ in range(3)])
    with pytest.raises(ValueError, match="no attention in its blocks"):
        find_hook_point(plain, "attn_out.0")
