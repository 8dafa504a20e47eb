"""Rows are those of a plain forward pass, wherever the weights are and whatever they are."""

import numpy as np
import pytest
import torch

from skdict import ActivationExtractor
from skdict.decomposition import IdentityDictionary
from skdict.interventions import Steer, intervene
from skdict.models import find_hook_point, input_device
from tests.conftest import build

pytestmark = pytest.mark.kind("L")
TEXTS = ["abcdef", "gh", "ijklmnop", "q r"]
NAMES = ("resid_post.1", "mlp_in.1", "mlp_out.1", "mlp_act.0", "attn_heads.2")


def cpu_offload(model, folder):
    accelerate = pytest.importorskip("accelerate")
    return accelerate.cpu_offload(model, execution_device="cpu")


def disk_offload(model, folder):
    accelerate = pytest.importorskip("accelerate")
    return accelerate.disk_offload(model, str(folder), execution_device="cpu")


def device_map(model, folder):
    accelerate = pytest.importorskip("accelerate")
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "lm_head": "disk"}
    places |= {"model.norm": "cpu", "model.layers.0": "cpu"}
    places |= {"model.layers.1": "disk", "model.layers.2": "disk"}
    return accelerate.dispatch_model(
        model, places, main_device="cpu", offload_dir=str(folder), force_hooks=True
    )


def int8(model, folder):
    return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def bfloat16(model, folder):
    return model.bfloat16()


def float16(model, folder):
    return model.half()


def training(model, folder):
    return model.train()


def checkpointed(model, folder):
    model.gradient_checkpointing_enable()
    return model.train()


WAYS = (cpu_offload, disk_offload, device_map, int8, bfloat16, float16, training, checkpointed)


def plain_rows(model, tokenizer, name):
    """Return what a hook of our own reads, one text at a time, past the first token."""
    rows, point = [], find_hook_point(model, name)

    def keep(module, args, kwargs, output):
        given = args[0] if args else kwargs["hidden_states"]
        value = given if point.side == "input" else output
        rows.append((value[0] if isinstance(value, tuple) else value)[0, 1:].float())

    handle = point.module.register_forward_hook(keep, with_kwargs=True)
    with torch.no_grad():
        for text in TEXTS:
            model(torch.tensor([tokenizer(text)["input_ids"]]))
    handle.remove()
    return torch.cat(rows).numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_rows_are_those_of_a_plain_pass(way, family, byte_tokenizer, tmp_path):
    if way is device_map and family == "gpt2":
        pytest.skip("the map is written for one family")
    model = way(build(family), tmp_path / "weights")
    modes = [module.training for module in model.modules()]
    for name in NAMES:
        acts = ActivationExtractor((model, byte_tokenizer), name, batch_size=1).transform(TEXTS)
        expected = plain_rows(model.eval(), byte_tokenizer, name)
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        np.testing.assert_array_equal(np.asarray(acts), expected)
        if way is int8:
            # Its activations are quantized by the range of a batch.
            continue
        batched = ActivationExtractor((model, byte_tokenizer), name).transform(TEXTS)
        scale = np.abs(expected).max()
        loose = 0.02 if way in (bfloat16, float16) else 1e-5
        np.testing.assert_allclose(np.asarray(batched), expected, atol=loose * scale)
    assert [module.training for module in model.modules()] == modes
    assert input_device(model) == torch.device("cpu")


@torch.no_grad()
@pytest.mark.parametrize("way", [cpu_offload, disk_offload, device_map])
def test_edits_of_offloaded_models(way, tmp_path):
    ids, neurons = torch.tensor([[4, 9, 8, 7]]), IdentityDictionary().fit(np.zeros((2, 16)))
    logits = []
    for model in (build("llama"), way(build("llama"), tmp_path / "weights")):
        with intervene(model, "mlp_out.1", neurons, Steer(1, 30.0)):
            logits.append(model(ids).logits)
    torch.testing.assert_close(*logits)
