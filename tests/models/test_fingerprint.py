"""Kind B: the hash of a model changes with everything that its activations follow from."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from skdict import load_stories
from skdict.models import NotHashedError, fingerprint, load_model
from tests.conftest import FAMILIES


def llama(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return FAMILIES["llama"]().eval()


@pytest.fixture
def model():
    return llama()


def negate_two_columns(model):
    model.model.layers[1].mlp.down_proj.weight.data[:, [1, 3]] *= -1


def swap_rows_through_numpy(model):
    weight = model.model.layers[0].mlp.up_proj.weight.detach().numpy()
    weight[[0, 1]] = weight[[1, 0]]


def load_other_weights(model):
    model.load_state_dict(llama(seed=1).state_dict())


def train_one_step(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.arange(5)[None]).logits.square().sum().backward()
    optimizer.step()


def change_a_buffer_that_is_not_saved(model):
    model.model.rotary_emb.inv_freq[1] *= 2


def scale_attention(model):
    model.model.layers[0].self_attn.scaling = 0.1


def widen_norm(model):
    model.model.layers[2].input_layernorm.variance_epsilon = 0.5


def replace_activation(model):
    model.model.layers[0].mlp.act_fn = nn.ReLU()


def patch_class_of_one_module(model):
    class Doubled(type(model.model.layers[0].mlp)):
        def forward(self, x):
            return 2 * super().forward(x)

    model.model.layers[0].mlp.__class__ = Doubled


def prune_weights(model):
    prune.l1_unstructured(model.model.layers[0].mlp.up_proj, "weight", amount=0.5)


CHANGES = [
    negate_two_columns,
    swap_rows_through_numpy,
    load_other_weights,
    train_one_step,
    change_a_buffer_that_is_not_saved,
    scale_attention,
    widen_norm,
    replace_activation,
    patch_class_of_one_module,
    prune_weights,
    lambda model: model.half(),
    lambda model: model.config.update({"rms_norm_eps": 0.1}),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(model, change):
    before = fingerprint(model)
    assert fingerprint(model) == before
    change(model)
    assert fingerprint(model) != before


def test_running_a_model_changes_nothing(model):
    before = fingerprint(model)
    model(torch.arange(5)[None], output_hidden_states=True)
    model.generate(torch.arange(1, 5)[None], max_new_tokens=2)
    model.train()
    assert fingerprint(model) == before
    assert fingerprint(copy.deepcopy(model)) == before


def test_weights_that_come_back_have_the_hash_they_had(model):
    before, weight = fingerprint(model), model.lm_head.weight
    with torch.no_grad():
        weight[0, 0] += 1
        changed = fingerprint(model)
        weight[0, 0] -= 1
    assert changed != before
    assert (fingerprint(model) == before) == torch.equal(weight, llama().lm_head.weight)


def test_autocast_and_the_precision_of_products_count(model):
    before = fingerprint(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fingerprint(model) != before
    torch.set_float32_matmul_precision("medium")
    try:
        assert fingerprint(model) != before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.slow
def test_another_process_finds_the_same_hash():
    folder = load_stories().model
    code = (
        "import sys; from skdict.models import fingerprint, load_model; "
        "print(fingerprint(*load_model(sys.argv[1])))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, folder],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split()[-1] == fingerprint(*load_model(folder))


def test_int8_weights_count(model):
    def quantized():
        return torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear})

    with pytest.warns(DeprecationWarning):
        first, again = quantized(), quantized()
    assert fingerprint(first) == fingerprint(again) != fingerprint(model)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.mul_(2)
    with pytest.warns(DeprecationWarning):
        assert fingerprint(quantized()) != fingerprint(first)


def test_adapters_count_by_what_is_active():
    peft = pytest.importorskip("peft")
    plain = llama()
    before = fingerprint(plain)
    config = peft.LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    model = peft.get_peft_model(plain, config, adapter_name="a")
    model.add_adapter("b", config)
    found = {"plain": before, "a": fingerprint(model)}
    model.set_adapter("b")
    found["b"] = fingerprint(model)
    with model.disable_adapter():
        found["disabled"] = fingerprint(model)
    model.merge_adapter()
    found["merged"] = fingerprint(model)
    assert len(set(found.values())) == len(found)
    model.unmerge_adapter()
    model.set_adapter("a")
    assert fingerprint(model) != found["b"]


def double(module, args, output):
    return output


@pytest.mark.parametrize(
    "put",
    [
        lambda m: m.model.layers[0].mlp.register_forward_hook(double).remove,
        lambda m: m.register_forward_pre_hook(lambda module, args: None).remove,
        lambda m: nn.modules.module.register_module_forward_hook(double).remove,
    ],
)
def test_hooks_of_others_are_refused(model, put):
    before, remove = fingerprint(model), put(model)
    try:
        with pytest.raises(NotHashedError, match="a hook is set on"):
            fingerprint(model)
    finally:
        remove()
    assert fingerprint(model) == before


def test_a_replaced_forward_method_is_refused(model):
    model.model.layers[0].mlp.forward = lambda x: x
    with pytest.raises(NotHashedError, match=r"forward method of model\.layers\.0\.mlp"):
        fingerprint(model)


def test_state_without_content_is_refused_by_name(model):
    model.model.layers[0].source = iter(open(__file__, encoding="utf-8"))
    with pytest.raises(NotHashedError, match=r"model\.layers\.0\['source'\]"):
        fingerprint(model)
    model.model.layers[0].source.close()


def test_tied_and_non_contiguous_weights(model):
    with torch.no_grad():
        model.lm_head.weight = model.model.embed_tokens.weight
    before = fingerprint(model)
    weight = model.model.layers[0].mlp.up_proj.weight
    weight.data = weight.data.T.contiguous().T
    assert not weight.is_contiguous()
    assert fingerprint(model) == before


def test_sets_and_arrays_are_hashed_by_content(model):
    names = {"a", "b", "c"}
    model.skipped, model.scales = names, np.arange(3.0)
    before = fingerprint(model)
    model.skipped = {"c", "b", "a"}
    assert fingerprint(model) == before
    model.scales = np.arange(3.0) + 1
    assert fingerprint(model) != before
