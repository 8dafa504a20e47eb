"""Models run as they were left: their mode, their compiled code, their threads."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from skdict import ActivationExtractor, IdentityDictionary
from skdict.interventions import Steer, intervene
from skdict.models import ForwardFrom, capture, evaluation_mode, find_hook_point
from tests.conftest import build

NEURONS = IdentityDictionary().fit(np.zeros((2, 16)))
POINT, EDIT = "resid_post.1", Steer(1, 30.0)
IDS = torch.tensor([[4, 9, 8, 7, 6, 5]])
TEXTS = ["abcdef", "gh", "ijklmnop", "qr"] * 8


class Stack(torch.nn.Module):
    """A model that compiles fast: an embedding and three blocks that add to it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(300, 16)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in range(3))

    def forward(self, input_ids):
        hidden = self.embed(input_ids)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return hidden


def logits_of(output):
    return getattr(output, "logits", output)


def by_hand(model, ids, point=POINT):
    """Return logits under the same edit, by a hook of our own."""

    def after(module, args, output):
        tensor = output[0] if isinstance(output, tuple) else output
        tensor = tensor.clone()
        tensor[:, 1:, 1] += 30.0
        return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

    handle = find_hook_point(model, point).module.register_forward_hook(after)
    logits = logits_of(model(ids))
    handle.remove()
    return logits


def compiled_whole(model):
    run = torch.compile(model, backend="eager")
    return run, run


def compiled_in_place(model):
    model.compile(backend="eager")
    return model, model


def compiled_forward(model):
    model.forward = torch.compile(model.forward, backend="eager")
    return model, model


def compiled_block(model):
    model.layers[1] = torch.compile(model.layers[1], backend="eager")
    return model, model


def compiled_blocks_in_place(model):
    for layer in model.layers:
        layer.compile(backend="eager")
    return model, model


def compiled_caller(model):
    return model, torch.compile(lambda ids: model(ids), backend="eager")


COMPILED = {
    way.__name__: way
    for way in (
        compiled_whole,
        compiled_in_place,
        compiled_forward,
        compiled_block,
        compiled_blocks_in_place,
        compiled_caller,
    )
}


@pytest.mark.kind("A")
@pytest.mark.parametrize("how", [*COMPILED, "llama"])
@torch.no_grad()
def test_compiled_models_are_edited_and_read(how, byte_tokenizer):
    new, point = (partial(build, "llama"), POINT) if how == "llama" else (Stack, "layers.1")
    plain = new()
    expected, unedited = by_hand(plain, IDS, point), logits_of(plain(IDS))
    model, run = COMPILED.get(how, compiled_whole)(new())
    place = {"compiled_whole": "_orig_mod.layers.1"}.get(how, point)
    torch.testing.assert_close(logits_of(run(IDS)), unedited)
    with intervene(model, place, NEURONS, EDIT):
        torch.testing.assert_close(logits_of(run(IDS)), expected, atol=1e-5, rtol=1e-5)
    # What was compiled is compiled still, and knows nothing of the edit.
    torch.testing.assert_close(logits_of(run(IDS)), unedited)
    rows = ActivationExtractor((model, byte_tokenizer), place).transform(TEXTS[:4])
    wanted = ActivationExtractor((plain, byte_tokenizer), point).transform(TEXTS[:4])
    np.testing.assert_allclose(np.asarray(rows), np.asarray(wanted), atol=1e-6)
    torch.compiler.reset()


@pytest.mark.kind("A")
@torch.no_grad()
def test_a_model_compiled_inside_the_block():
    model = Stack()
    expected, unedited = by_hand(model, IDS, "layers.1"), model(IDS)
    with intervene(model, "layers.1", NEURONS, EDIT):
        run = torch.compile(model, backend="eager")
        torch.testing.assert_close(run(IDS), expected)
    torch.testing.assert_close(run(IDS), unedited)
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.kind("A")
@torch.no_grad()
def test_inductor():
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    run = torch.compile(Stack())
    run(IDS)
    with intervene(run, "_orig_mod.layers.1", NEURONS, EDIT):
        torch.testing.assert_close(run(IDS), by_hand(Stack(), IDS, "layers.1"))
    torch.compiler.reset()


@pytest.mark.kind("A")
def test_places_that_are_not_passed():
    model = build("llama")
    with pytest.raises(ValueError, match=r"did not reach hook_point='resid_post.1'"):
        with torch.no_grad(), intervene(model, POINT, NEURONS, EDIT):
            model.model.layers[1] = build("llama").model.layers[1]
            model(IDS)
    with pytest.raises(ValueError, match="did not reach"):
        with torch.no_grad(), intervene(model, POINT, NEURONS, EDIT):
            model.model = build("llama").model
            model(IDS)
    with pytest.raises(ValueError, match="did not reach"):
        with torch.no_grad(), intervene(model, "resid_post.2", NEURONS, EDIT):
            model.model.config.num_hidden_layers = 2
            model(IDS)


@pytest.mark.kind("A")
def test_script_modules_are_refused(byte_tokenizer):
    model = torch.jit.trace(Stack(), IDS)
    with pytest.raises(ValueError, match="TorchScript module, which runs no hooks"):
        with intervene(model, "layers.1", NEURONS, EDIT):
            model(IDS)
    with pytest.raises(ValueError, match="TorchScript module"):
        ActivationExtractor((model, byte_tokenizer), "layers.1").transform(TEXTS)


@pytest.mark.kind("A")
def test_a_block_without_a_pass_warns():
    model, other = build("llama"), build("llama")
    for run in (lambda: None, lambda: other(IDS)):
        with pytest.warns(RuntimeWarning, match="no forward pass of the LlamaForCausalLM") as told:
            with intervene(model, POINT, NEURONS, EDIT):
                run()
        assert told[0].filename == __file__
    # Nor does an error in the block become another one.
    with pytest.raises(KeyError), intervene(model, POINT, NEURONS, EDIT):
        raise KeyError


@pytest.mark.kind("A")
def test_a_part_run_by_itself_is_refused():
    model = build("llama")
    with pytest.raises(ValueError, match="was run on its own"):
        with torch.no_grad(), intervene(model, "mlp_out.1", NEURONS, EDIT):
            model.model.layers[1].mlp(torch.zeros(1, 3, 16))


@pytest.mark.kind("A")
@torch.no_grad()
def test_what_was_not_read_is_not_made_up():
    model = build("llama")
    point = find_hook_point(model, "resid_post.1")
    with capture({"x": point}, stop=False) as values:
        model.model.layers[1] = build("llama").model.layers[0]
        model(IDS)
    with pytest.raises(ValueError, match="hook_point='x' gave no value"):
        values["x"]


@pytest.mark.kind("A")
@torch.no_grad()
def test_checks_of_our_own_are_not_seen_by_hooks_around_them():
    model, expected = build("llama"), build("llama")(IDS).logits
    place = {"x": find_hook_point(model, "resid_post.0")}
    with capture(place, stop=False) as values:
        with intervene(model, "mlp_out.1", NEURONS, Steer(0, 0.0)):
            torch.testing.assert_close(model(IDS).logits, expected)
    assert values["x"].shape == (1, 6, 16)


@pytest.mark.kind("K")
@pytest.mark.parametrize("training", [False, True])
def test_threads_that_read_one_model(byte_tokenizer, training):
    model = build("gpt2").train(training)
    wanted = np.asarray(
        ActivationExtractor((build("gpt2"), byte_tokenizer), POINT).transform(TEXTS)
    )

    def read(batch_size):
        extractor = ActivationExtractor((model, byte_tokenizer), POINT, batch_size=batch_size)
        return np.asarray(extractor.transform(TEXTS))

    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(read, [1, 2, 3, 2]):
            np.testing.assert_allclose(rows, wanted, atol=1e-5)
    assert all(module.training == training for module in model.modules())


@pytest.mark.kind("K")
def test_a_pass_in_another_thread_is_refused_while_a_place_is_edited(byte_tokenizer):
    model, caught = build("llama"), []
    extractor = ActivationExtractor((model, byte_tokenizer), "resid_post.2")

    def attempt(run):
        try:
            run()
        except ValueError as error:
            caught.append(str(error))

    with torch.no_grad(), intervene(model, POINT, NEURONS, EDIT):
        for run in (
            lambda: model(IDS),
            lambda: extractor.transform(TEXTS),
            lambda: model.model(IDS),
        ):
            thread = threading.Thread(target=attempt, args=(run,))
            thread.start()
            thread.join()
        expected = model(IDS).logits
    assert [message[:38] for message in caught] == ["a forward pass runs in another thread "] * 3
    with torch.no_grad():
        torch.testing.assert_close(expected, by_hand(model, IDS))


@pytest.mark.kind("K")
@torch.no_grad()
def test_readings_and_resumed_passes_are_of_their_own_thread():
    model, ids = build("llama"), torch.tensor([[1, 2, 3, 4]])
    plain, resumed = model(ids).logits, ForwardFrom(model, POINT, IDS)
    other = []
    with resumed._upward(torch.tensor([0]), resumed.hidden), ThreadPoolExecutor(1) as pool:
        other.append(pool.submit(torch.no_grad()(model), ids).result().logits)
    with capture({"x": find_hook_point(model, POINT)}, stop=False) as values:
        with ThreadPoolExecutor(1) as pool:
            other.append(pool.submit(torch.no_grad()(model), ids).result().logits)
        model(IDS)
    for logits in other:
        torch.testing.assert_close(logits, plain)
    assert values["x"].shape == (1, 6, 16)


@pytest.mark.kind("K")
def test_a_block_held_open_does_not_hold_a_lock(byte_tokenizer):
    """A reading that waits for another thread's reading of the same model ends."""
    model = build("llama")
    extractor = ActivationExtractor((model, byte_tokenizer), POINT)
    with capture({"x": find_hook_point(model, POINT)}):
        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(extractor.transform, TEXTS[:2]).result(timeout=30)
    assert rows.shape == (6, 16)


@pytest.mark.kind("K")
def test_modes_come_back_when_the_last_block_ends():
    model = build("gpt2").train()
    model.transformer.h[1].eval()
    modes = [module.training for module in model.modules()]
    first, second = evaluation_mode(model), evaluation_mode(model.transformer)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not any(module.training for module in model.transformer.modules())
    second.__exit__(None, None, None)
    assert [module.training for module in model.modules()] == modes


def gradients(model, run):
    model.zero_grad()
    run().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def loss(model):
    return model(IDS).logits.logsumexp(-1).sum()


@pytest.mark.kind("L")
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_gives_the_gradient_of_the_edit_or_is_refused(reentrant):
    model = build("llama").train()

    def with_edit():
        with intervene(model, POINT, NEURONS, EDIT):
            return loss(model)

    expected = gradients(model, lambda: by_hand(model, IDS).logsumexp(-1).sum())
    plain = gradients(model, lambda: loss(model))
    torch.testing.assert_close(gradients(model, with_edit), expected)
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    try:
        # A block's own output is edited once and for all, outside of what is run again.
        torch.testing.assert_close(gradients(model, with_edit), expected)
    except ValueError as error:
        assert "gradient_checkpointing_disable" in str(error)
    for point in ("mlp_out.1", "attn_heads.2"):
        with pytest.raises(ValueError, match="gradient_checkpointing_disable"):
            with intervene(model, point, NEURONS, EDIT):
                model(IDS)
    with capture({"x": find_hook_point(model, "mlp_out.1")}, stop=False) as values:
        torch.testing.assert_close(gradients(model, lambda: loss(model)), plain)
    assert values["x"].shape == (1, 6, 16)


@pytest.mark.kind("L")
def test_a_pass_that_the_caller_checkpoints_is_refused():
    model = build("llama")
    with pytest.raises(ValueError, match="gradient checkpointing"):
        with intervene(model, POINT, NEURONS, EDIT):
            torch.utils.checkpoint.checkpoint(model, IDS, use_reentrant=False)
