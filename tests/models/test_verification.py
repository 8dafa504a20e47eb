"""Hook points are verified again when the modules of a model change; adapters are seen through."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from skdict import ActivationExtractor, IdentityDictionary
from skdict.feature_extraction import extract_activations
from skdict.interventions import Ablate, intervene
from skdict.models import find_hook_point, verify_found, verify_hook_points
from tests.conftest import build
from tests.tiny_models import build_other

pytestmark = pytest.mark.kind("C")
IDS = torch.arange(1, 9)[None]
TEXTS = ["abcdef", "gh", "ijklmnop"]
KINDS = ("attn_out", "attn_heads", "mlp_out", "mlp_act")


class Scaled(torch.nn.Module):
    """A part that gives more than what it is called would."""

    def __init__(self, part):
        super().__init__()
        self.part, self.norm = part, torch.nn.Linear(16, 16)

    def forward(self, *args, **kwargs):
        return 1.5 * self.part(*args, **kwargs)


@torch.no_grad()
def test_a_swapped_part_is_seen():
    model = build("llama")
    verify_hook_points(model, IDS)
    # What the MLP ends with is now a module whose output is not what the MLP adds.
    model.model.layers[2].mlp = Scaled(model.model.layers[2].mlp)
    with pytest.raises(ValueError, match="do not add up"):
        verify_hook_points(model, IDS)
    model.model.layers[2].mlp = model.model.layers[2].mlp.part
    verify_hook_points(model, IDS)


@torch.no_grad()
def test_a_part_swapped_between_two_edits():
    model, neurons = build("llama"), IdentityDictionary().fit(np.zeros((2, 16)))
    with intervene(model, "mlp_out.0", neurons, Ablate(0)):
        model(IDS)
    model.model.layers[0].self_attn = _Doubled(model.model.layers[0].self_attn)
    with pytest.raises(ValueError, match="do not add up"):
        with intervene(model, "mlp_out.0", neurons, Ablate(0)):
            model(IDS)


class _Doubled(torch.nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, *args, **kwargs):
        out, *others = self.part(*args, **kwargs)
        return 2 * out, *others


def by_hand(model, tokenizer, module, side):
    """Return what goes into or comes out of a module on each text, by a hook of our own."""
    rows = []

    def keep(module, args, output):
        rows.append((args[0] if side == "input" else output)[0, 1:].detach())

    handle = module.register_forward_hook(keep)
    with torch.no_grad():
        for text in TEXTS:
            model(torch.tensor([tokenizer(text)["input_ids"]]))
    handle.remove()
    return torch.cat(rows).numpy()


TARGETS = ["q_proj", "v_proj", "o_proj", "down_proj"]


def lora(model, name="default"):
    peft = pytest.importorskip("peft")
    with torch.random.fork_rng():
        torch.manual_seed(len(name))
        config = peft.LoraConfig(r=4, target_modules=TARGETS, init_lora_weights=False)
        model.add_adapter(config, name)
    return model.eval()


def wrapped(model):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules=TARGETS, init_lora_weights=False)
    return peft.get_peft_model(model, config).eval()


def two_adapters(model):
    lora(lora(model), "second").set_adapter("second")
    return model


def disabled(model):
    lora(model).disable_adapters()
    return model


def merged(model):
    model = wrapped(model)
    model.merge_adapter()
    return model


def unloaded(model):
    return wrapped(model).merge_and_unload()


def dora(model):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=4, target_modules=TARGETS, init_lora_weights=False, use_dora=True)
    return peft.get_peft_model(model, config).eval()


ADAPTED = (lora, wrapped, two_adapters, disabled, merged, unloaded, dora)


@pytest.mark.parametrize("read_before", [True, False])
@pytest.mark.parametrize("adapt", ADAPTED)
def test_rows_of_adapted_models(byte_tokenizer, adapt, read_before):
    model = build("llama")
    if read_before:
        ActivationExtractor((model, byte_tokenizer), "mlp_out.1").transform(TEXTS)
    model = adapt(model)
    block = find_hook_point(model, "resid_post.1").module
    parts = {
        "attn_out": (block.self_attn.o_proj, "output"),
        "attn_heads": (block.self_attn.o_proj, "input"),
        "mlp_out": (block.mlp, "output"),
        "mlp_act": (block.mlp.down_proj, "input"),
        "resid_post": (block, "output"),
        "resid_mid": (block.post_attention_layernorm, "input"),
        "mlp_in": (block.post_attention_layernorm, "output"),
    }
    for kind, (module, side) in parts.items():
        rows = ActivationExtractor((model, byte_tokenizer), f"{kind}.1").transform(TEXTS)
        expected = by_hand(model, byte_tokenizer, module, side)
        assert rows.shape[1] == (32 if kind == "mlp_act" else 16)
        np.testing.assert_allclose(np.asarray(rows), expected, atol=1e-5)


@torch.no_grad()
def test_edits_of_adapted_models():
    model = wrapped(build("llama"))
    neurons = IdentityDictionary().fit(np.zeros((2, 32)))
    last = find_hook_point(model, "mlp_act.1").module
    handle = last.register_forward_pre_hook(
        lambda module, args: (args[0].index_fill(2, torch.tensor([3]), 0.0),)
    )
    expected = model(input_ids=IDS).logits
    handle.remove()
    with intervene(model, "mlp_act.1", neurons, Ablate(3), positions=range(8)):
        torch.testing.assert_close(model(input_ids=IDS).logits, expected)


def test_adapters_on_gpt2(byte_tokenizer):
    peft = pytest.importorskip("peft")
    model = build("gpt2")
    ActivationExtractor((model, byte_tokenizer), "mlp_out.1").transform(TEXTS)
    config = peft.LoraConfig(
        r=4, target_modules=["c_proj"], init_lora_weights=False, fan_in_fan_out=True
    )
    model = peft.get_peft_model(model, config).eval()
    rows = ActivationExtractor((model, byte_tokenizer), "mlp_act.1").transform(TEXTS)
    block = find_hook_point(model, "resid_post.1").module
    np.testing.assert_allclose(
        np.asarray(rows), by_hand(model, byte_tokenizer, block.mlp.c_proj, "input"), atol=1e-5
    )


class SplitBlock(torch.nn.Module):
    """A block with a gated MLP whose two entries are parts of the block."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.Linear(16, 16)
        self.up, self.gate = torch.nn.Linear(16, 32), torch.nn.Linear(16, 32)
        self.down = torch.nn.Linear(32, 16)

    def forward(self, hidden_states):
        middle = hidden_states + self.attention(hidden_states)
        return middle + self.down(self.up(middle) * self.gate(middle).sigmoid())


class InnerNormBlock(torch.nn.Module):
    """A block whose MLP begins with its norm."""

    def __init__(self):
        super().__init__()
        self.attention = torch.nn.Linear(16, 16)
        self.feed_forward = torch.nn.Sequential(
            torch.nn.LayerNorm(16),
            torch.nn.Linear(16, 32),
            torch.nn.ReLU(),
            torch.nn.Linear(32, 16),
        )

    def forward(self, hidden_states):
        middle = hidden_states + self.attention(hidden_states)
        return middle + self.feed_forward(middle)


class UnusedBlock(SplitBlock):
    """A block with a part that never runs, before the matrices of its MLP."""

    def __init__(self):
        super().__init__()
        parts = [self._modules.pop(name) for name in ("up", "gate", "down")]
        self.unused = torch.nn.Linear(16, 16)
        self.up, self.gate, self.down = parts


class Stack(PreTrainedModel):
    """A stack of blocks of one kind."""

    config_class = PreTrainedConfig

    def __init__(self, config, kind):
        super().__init__(config)
        self.embedding = torch.nn.Embedding(300, 16)
        self.stack = torch.nn.ModuleList(kind() for _ in range(config.num_hidden_layers))
        self.post_init()

    def forward(self, input_ids):
        hidden = self.embedding(input_ids)
        for block in self.stack:
            hidden = block(hidden)
        return (hidden,)


def stack(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stack(PreTrainedConfig(num_hidden_layers=2), kind).eval()


@pytest.mark.parametrize("kind", [SplitBlock, InnerNormBlock, UnusedBlock])
def test_an_input_of_the_mlp_that_is_not_all_of_it_is_refused(kind):
    model = stack(kind)
    verify_found(model, ["mlp_out.0", "attn_out.1"])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"mlp_in is not available.* a block has attention"):
            verify_found(model, ["mlp_in.0"])


def test_a_stream_that_reaches_no_input_of_the_mlp_is_refused():
    with pytest.raises(ValueError, match=r"resid_mid is not available.* a block has attention"):
        verify_found(stack(UnusedBlock), ["resid_mid.0"])


def test_parallel_blocks_that_do_not_look_it_are_refused():
    # With norms of queries and keys they have as many norms as sequential blocks.
    model = build_other("cohere_query_norm")
    verify_found(model, ["mlp_in.1", "attn_out.1"])
    neurons = IdentityDictionary().fit(np.zeros((2, 16)))
    with pytest.raises(ValueError, match=r"have no resid_mid.* in parallel"):
        with intervene(model, "resid_mid.1", neurons, Ablate(0)):
            pass


@torch.no_grad()
def test_a_single_token_is_enough_to_read(byte_tokenizer):
    model = build("llama")
    rows = extract_activations(
        (model, byte_tokenizer), ["mlp_in.1", "resid_mid.1"], ["a"], skip_first=0
    )
    block = model.model.layers[1]
    torch.testing.assert_close(
        block.post_attention_layernorm(torch.tensor(np.asarray(rows["resid_mid.1"]))),
        torch.tensor(np.asarray(rows["mlp_in.1"])),
    )
