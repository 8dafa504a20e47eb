"""What is captured is the module's own, and no hook is left behind."""

import gc
import threading
import weakref

import pytest
import torch

from skdict.models import HookPoint, capture, find_hook_point
from skdict.models._hooks import hook
from tests.conftest import build

IDS = torch.arange(1, 9)[None]


def points(model, *names):
    return {name: find_hook_point(model, name) for name in names}


@torch.no_grad()
def test_later_modules_do_not_run(tiny_model):
    ran = []
    last = find_hook_point(tiny_model, "resid_post.2").module
    handle = last.register_forward_hook(lambda *_: ran.append("last"))
    with capture(points(tiny_model, "resid_post.0", "mlp_out.1")) as values:
        tiny_model(IDS)
    assert set(values) == {"resid_post.0", "mlp_out.1"}
    assert ran == []
    with capture(points(tiny_model, "resid_post.0"), stop=False):
        tiny_model(IDS)
    handle.remove()
    assert ran == ["last"]


@torch.no_grad()
def test_a_pass_that_ended_early_keeps_no_memory(tiny_model):
    seen = []

    def note(module, args, output):
        seen.append(weakref.ref(output if torch.is_tensor(output) else output[0]))

    handle = find_hook_point(tiny_model, "resid_post.0").module.register_forward_hook(note)
    gc.disable()
    try:
        with capture(points(tiny_model, "resid_post.1")):
            tiny_model(IDS)
        assert [ref() for ref in seen] == [None]
    finally:
        gc.enable()
        handle.remove()


@torch.no_grad()
def test_hooks_are_removed_whatever_happens(tiny_model):
    wanted = points(tiny_model, "resid_post.1", "resid_pre.1")
    module = wanted["resid_post.1"].module
    before = tiny_model(IDS).logits
    hooks = dict(module._forward_hooks), dict(module._forward_pre_hooks)
    with capture(wanted):
        tiny_model(IDS)
    with pytest.raises(RuntimeError, match="elsewhere"), capture(wanted):
        raise RuntimeError("elsewhere")
    assert (dict(module._forward_hooks), dict(module._forward_pre_hooks)) == hooks
    assert torch.equal(tiny_model(IDS).logits, before)


@torch.no_grad()
def test_a_module_that_runs_twice_is_refused():
    block = torch.nn.Linear(4, 4)
    wanted = {"block": HookPoint(block, "output")}
    with pytest.raises(ValueError, match="runs more than once"), capture(wanted, stop=False):
        block(block(torch.zeros(1, 4)))


@torch.no_grad()
def test_copies_are_taken(tiny_model):
    wanted = points(tiny_model, "resid_post.0")
    handle = find_hook_point(tiny_model, "resid_post.1").module.register_forward_pre_hook(
        lambda module, args: args[0].mul_(0) if args else None
    )
    with capture(wanted, stop=False) as values:
        tiny_model(IDS)
    handle.remove()
    assert values["resid_post.0"].any()


@torch.no_grad()
def test_what_is_no_tensor_is_left_out(tiny_model):
    module = tiny_model.base_model
    handle = module.register_forward_hook(lambda *_: ("no tensor",))
    with capture(points(tiny_model, next(iter(dict(tiny_model.named_children()))))) as values:
        tiny_model(IDS)
    handle.remove()
    assert values == {}


@torch.no_grad()
def test_a_sum_is_not_read_in_training_mode():
    model = build("gpt2").train()
    with pytest.raises(ValueError, match=r"dropout may change .* model\.eval\(\)"):
        with capture(points(model, "resid_mid.1")):
            model(IDS)
    with capture(points(model, "mlp_in.1")) as values:
        model(IDS)
    assert values["mlp_in.1"].shape == (1, 8, 16)


@torch.no_grad()
def test_an_edit_below_a_sum_is_set_outside_it():
    model = build("llama")
    lower, sum_ = find_hook_point(model, "resid_pre.1"), find_hook_point(model, "resid_mid.1")

    def read(change):
        with capture({"x": sum_}, stop=False) as values:
            handle = hook(lower, change) if change is not None else None
            try:
                model(IDS)
            finally:
                if handle is not None:
                    handle.remove()
        return values["x"]

    plain = read(None)
    torch.testing.assert_close(read(lambda x: x.clone()), plain, rtol=0, atol=0)
    with pytest.raises(ValueError, match="edit resid_pre outside the block"):
        read(lambda x: x + 1)
    outside = hook(lower, lambda x: x + 1)
    moved = read(None)
    outside.remove()
    block = model.model.layers[1]
    seen = []
    handles = [
        lower.module.register_forward_pre_hook(lambda module, args: (args[0] + 1, *args[1:])),
        block.post_attention_layernorm.register_forward_pre_hook(
            lambda module, args: seen.append(args[0])
        ),
    ]
    model(IDS)
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(moved, seen[0])
    assert not torch.allclose(moved, plain)


@torch.no_grad()
def test_a_sum_is_that_of_its_own_thread():
    model, others = build("llama"), IDS.flip(1) + 20
    with capture(points(model, "resid_mid.1")) as values:
        model(IDS)
    expected = values["resid_mid.1"]

    def run_others(*_):
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=torch.no_grad()(model), args=(others,))
            thread.start()
            thread.join()

    # A whole pass of another thread, between the input of the block and its attention.
    handle = model.model.layers[1].self_attn.register_forward_pre_hook(run_others)
    with capture(points(model, "resid_mid.1")) as values:
        model(IDS)
    handle.remove()
    assert torch.equal(values["resid_mid.1"], expected)


@torch.no_grad()
def test_a_sum_without_its_block_has_no_value():
    attention = torch.nn.Linear(4, 4)
    block = torch.nn.Sequential(torch.nn.LayerNorm(4), attention).eval()
    wanted = {"sum": HookPoint(attention, "output", block)}
    with capture(wanted) as values:
        attention(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="gave no value"):
        values["sum"]
