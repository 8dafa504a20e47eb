"""What is captured is the module's own, and no hook is left behind."""

import pytest
import torch

from skdict.models import HookPoint, capture, find_hook_point

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
