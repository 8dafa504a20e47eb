"""A captured output is the module's, and no hook is left behind."""

import pytest
import torch

from skdict.models import capture, find_module

IDS = torch.arange(1, 9)[None]


@torch.no_grad()
def test_captured_outputs_are_transformers_own_hidden_states(tiny_model):
    states = tiny_model(IDS, output_hidden_states=True).hidden_states
    for block in range(3):
        with capture(find_module(tiny_model, f"resid_post.{block}")) as outputs:
            tiny_model(IDS)
        assert len(outputs) == 1
        if block < 2:
            assert torch.equal(outputs[0], states[block + 1])
        else:
            # transformers' last entry is after the final norm; the hook's is before.
            norm = next(
                module
                for name, module in tiny_model.base_model.named_children()
                if name in ("final_layer_norm", "ln_f", "norm")
            )
            assert not torch.allclose(outputs[0], states[3])
            torch.testing.assert_close(norm(outputs[0]), states[3])


@torch.no_grad()
def test_later_modules_do_not_run(tiny_model):
    ran = []
    last = find_module(tiny_model, "resid_post.2")
    handle = last.register_forward_hook(lambda *_: ran.append("last"))
    with capture(find_module(tiny_model, "resid_post.0")):
        tiny_model(IDS)
    handle.remove()
    assert ran == []


@torch.no_grad()
def test_hooks_are_removed_whatever_happens(tiny_model):
    module = find_module(tiny_model, "resid_post.1")
    before = tiny_model(IDS).logits
    hooks = dict(module._forward_hooks)
    with capture(module):
        tiny_model(IDS)
    with pytest.raises(RuntimeError, match="elsewhere"), capture(module):
        raise RuntimeError("elsewhere")
    assert dict(module._forward_hooks) == hooks
    assert torch.equal(tiny_model(IDS).logits, before)
