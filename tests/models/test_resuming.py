"""Running from a place upward gives what running the whole model with the rows put in gives."""

import pytest
import torch

from skdict.models import ForwardFrom, capture, find_hook_point, hook_points
from tests.conftest import build

IDS = torch.tensor([[5, 9, 2, 7, 30, 11], [8, 1, 4, 4, 60, 3], [7, 7, 1, 0, 0, 0]])
MASK = torch.tensor([[1] * 6, [1] * 6, [1, 1, 1, 0, 0, 0]])


def plain_logits(model, point, change, ids, mask):
    """Return the logits of the whole model with a change added at a place, by a plain hook."""

    def after(module, args, output):
        old = output[0] if isinstance(output, tuple) else output
        new = old + change.reshape(old.shape)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    def before(module, args, kwargs):
        if args:
            return (args[0] + change.reshape(args[0].shape), *args[1:]), kwargs
        old = kwargs["hidden_states"]
        return args, kwargs | {"hidden_states": old + change.reshape(old.shape)}

    handle = (
        point.module.register_forward_hook(after)
        if point.side == "output"
        else point.module.register_forward_pre_hook(before, with_kwargs=True)
    )
    with torch.no_grad():
        logits = model(ids, attention_mask=mask).logits
    handle.remove()
    return logits


def left_behind(model):
    return [
        name
        for name, module in model.named_modules()
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    ]


def test_resumed_equals_whole_in_every_family_and_place(any_family):
    family, model = any_family
    # transformers leaves hooks of its own on a model whose hidden states were asked for.
    before = left_behind(model)
    if family in ("bert", "distilbert"):
        with pytest.raises(ValueError, match="no logits"):
            ForwardFrom(model, "resid_post.0", IDS)
        assert left_behind(model) == before
        return
    generator = torch.Generator().manual_seed(0)
    for name in hook_points(model):
        resumed = ForwardFrom(model, name, IDS, MASK)
        change = torch.randn(resumed.hidden.shape, generator=generator)
        expected = plain_logits(model, find_hook_point(model, name), change, IDS, MASK)
        rows, ends = torch.tensor([2, 0, 1, 0]), torch.tensor([[2], [5], [3], [5]])
        got = resumed.logits(rows, resumed.hidden[rows] + change[rows], ends)
        torch.testing.assert_close(got[:, 0], expected[rows, ends[:, 0]], rtol=1e-4, atol=1e-5)
        block = int(name.split(".")[1]) + name.startswith("resid_post")
        assert resumed.n_skipped == block, name
    assert left_behind(model) == before


@pytest.mark.parametrize(
    ("family", "hook_point"),
    [("gpt_neox", "resid_post.1"), ("gpt2", "resid_mid.1"), ("gpt2", "mlp_in.1")],
)
def test_gradient_is_that_of_the_whole_model(family, hook_point):
    model = build(family).double()
    resumed = ForwardFrom(model, hook_point, IDS[:2])
    rows, ends = torch.arange(2), torch.full((2, 1), 5)

    def total(x):
        return resumed.differentiable_logits(rows, x, ends)[..., 3].sum()

    x = resumed.hidden.clone().requires_grad_(True)
    gradient = torch.autograd.grad(total(x), x)[0]
    step = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        slope = (total(x + 1e-6 * step) - total(x - 1e-6 * step)) / 2e-6
    torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-6, atol=1e-9)


def test_reads_a_place_further_up(tiny_model):
    resumed = ForwardFrom(tiny_model, "mlp_out.0", IDS[:2])
    with torch.no_grad(), capture({"x": find_hook_point(tiny_model, "resid_post.1")}) as values:
        tiny_model(IDS[:2])
    got = resumed.read("resid_post.1", torch.tensor([1]), resumed.hidden[1:])
    torch.testing.assert_close(got, values["x"][1:], rtol=1e-4, atol=1e-5)


def test_a_block_that_reads_more_than_the_stream_runs_whole():
    model = build("llama")
    top = model.model.layers[2]
    seen = {}
    # A model whose last block reads the first one's output past the stream.
    model.model.layers[0].mlp.register_forward_hook(
        lambda module, args, output: seen.update(first=output)
    )
    plain = top.forward

    def forward(hidden, *args, **kwargs):
        seen["given"] = seen.pop("first", torch.zeros_like(hidden))
        return plain(hidden + seen["given"], *args, **kwargs)

    top.forward = forward
    resumed = ForwardFrom(model, "resid_post.1", IDS[:2])
    assert resumed.n_skipped == 0
    got = resumed.logits(torch.arange(2), resumed.hidden, torch.full((2, 1), 5))
    with torch.no_grad():
        torch.testing.assert_close(got[:, 0], model(IDS[:2]).logits[:, 5])
    assert top.forward is forward


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lm_head", "what the metric reads"),
        ("resid_post.9", "not found"),
        ("nowhere", "not found"),
        ("model.rotary_emb", "one row for each"),
    ],
)
def test_places_that_cannot_be(name, message):
    model = build("llama")
    with pytest.raises(ValueError, match=message):
        ForwardFrom(model, name, IDS)
    assert left_behind(model) == []


def test_a_place_out_of_reach_is_refused():
    model = build("llama")
    model.model.layers[1].aside = torch.nn.Linear(16, 16)
    model.model.layers[1].register_forward_hook(
        lambda module, args, output: (module.aside(output), output)[1]
    )
    before = left_behind(model)
    with pytest.raises(ValueError, match="has no effect on the metric"):
        ForwardFrom(model, "model.layers.1.aside", IDS)
    assert left_behind(model) == before
