"""The trainer is Adam on the objective, with rows kept at unit length."""

import pytest
import torch

from skdict._core import L1, NONLINEARITIES, Tensors, Trainer, calibrate_bias, random_tensors

RELU = NONLINEARITIES["relu"]()


def new_tensors(tied=True, m=12, d=6, dtype=torch.float64):
    return random_tensors(
        m,
        d,
        tied=tied,
        nonlinearity=RELU,
        generator=torch.Generator().manual_seed(0),
        dtype=dtype,
        device=torch.device("cpu"),
    )


def batches(count, n=20, d=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, d, generator=generator, dtype=dtype) for _ in range(count)]


def new_trainer(tensors, moments=None):
    return Trainer(
        tensors,
        RELU,
        L1(0.1),
        learning_rate=1e-2,
        batch_size=20,
        product_dtype=tensors.bias.dtype,
        moments=moments,
    )


@pytest.mark.parametrize("tied", [True, False])
def test_steps_equal_torch_adam_on_the_normalised_loss(tied):
    trainer = new_trainer(new_tensors(tied))
    start = new_tensors(tied)
    raw = start.components.clone().requires_grad_()
    encoder = raw if tied else start.encoder.clone().requires_grad_()
    bias = start.bias.clone().requires_grad_()
    weights = [raw, bias] if tied else [raw, encoder, bias]
    adam = torch.optim.Adam(weights, lr=1e-2)
    for x in batches(30):
        trainer.step(x)
        unit = raw / raw.norm(dim=1, keepdim=True)
        codes = torch.relu(x @ (unit if tied else encoder).T + bias)
        loss = (x - codes @ unit).square().sum(1).mean() + 0.1 * codes.sum(1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        with torch.no_grad():
            raw /= raw.norm(dim=1, keepdim=True)
    torch.testing.assert_close(trainer.tensors.components, raw.detach(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(trainer.tensors.bias, bias.detach(), rtol=1e-5, atol=1e-7)
    if not tied:
        torch.testing.assert_close(trainer.tensors.encoder, encoder.detach())


def test_rows_stay_unit():
    trainer = new_trainer(new_tensors(dtype=torch.float32))
    for x in batches(20, dtype=torch.float32):
        trainer.step(x)
    lengths = trainer.tensors.components.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(12), atol=1e-6, rtol=0)


def test_moments_continue_where_they_stopped():
    data = batches(10)
    whole = new_trainer(new_tensors())
    for x in data:
        whole.step(x)
    first = new_trainer(new_tensors())
    for x in data[:5]:
        first.step(x)
    second = new_trainer(first.tensors, first.moments())
    for x in data[5:]:
        second.step(x)
    assert torch.equal(whole.tensors.components, second.tensors.components)
    assert torch.equal(whole.tensors.bias, second.tensors.bias)


def test_read_gives_means_since_the_last_read():
    trainer = new_trainer(new_tensors())
    x = batches(1)[0]
    components, bias = trainer.tensors.components.clone(), trainer.tensors.bias.clone()
    codes = torch.relu(x @ components.T + bias)
    weights = torch.ones(len(x), dtype=x.dtype)
    weights[:5] = 0.25
    trainer.step(x, weights=weights)
    entry = trainer.read(silent_steps=1)
    assert entry["step"] == 1
    assert entry["l0"] == pytest.approx((codes > 0).sum().item() / len(x))
    errors = (x - codes @ components).square().sum(1)
    error = errors.mean().item()
    assert entry["squared_error"] == pytest.approx(error)
    assert entry["inlier_error"] == pytest.approx(errors[5:].mean().item())
    losses = weights * (errors + 0.1 * codes.sum(1))
    assert entry["loss"] == pytest.approx(losses.mean().item())
    assert trainer.firing_counts.tolist() == (codes > 0).sum(0).tolist()
    trainer.step(x)
    assert trainer.read(silent_steps=1)["squared_error"] < error


def test_a_silent_feature_counts_as_dead_after_so_many_steps():
    tensors = new_tensors()
    tensors.bias[3] = -1e3
    trainer = new_trainer(tensors)
    for x in batches(4):
        trainer.step(x)
    assert trainer.read(silent_steps=4)["n_dead"] == 1
    trainer.step(batches(1)[0])
    assert trainer.read(silent_steps=10)["n_dead"] == 0


@pytest.mark.parametrize("share", [0.01, 0.03, 0.5])
def test_calibrated_biases_fire_on_the_share(share):
    encoder = new_tensors(m=40).encoder
    sample = batches(1, n=1000)[0]
    fired = (sample @ encoder.T + calibrate_bias(encoder, sample, share) > 0).double().mean(0)
    torch.testing.assert_close(fired, torch.full((40,), share, dtype=torch.float64))


def test_calibration_on_few_rows_still_fires():
    encoder = new_tensors(m=40).encoder
    sample = batches(1, n=5)[0]
    bias = calibrate_bias(encoder, sample, 0.03)
    assert (sample @ encoder.T + bias > 0).sum(0).tolist() == [1] * 40


def test_calibration_fires_where_rows_are_equal():
    encoder = new_tensors(m=40).encoder
    sample = batches(1, n=8)[0].repeat_interleave(100, dim=0)
    fired = (sample @ encoder.T + calibrate_bias(encoder, sample, 0.03) > 0).sum(0)
    assert fired.tolist() == [100] * 40
    assert calibrate_bias(encoder, sample[:50], 0.03).isfinite().all()


def test_random_parameters_are_alike_in_every_dtype():
    single, double = new_tensors(dtype=torch.float32), new_tensors(dtype=torch.float64)
    torch.testing.assert_close(single.components.double(), double.components)
    assert isinstance(single, Tensors)
    assert single.tied
    untied = new_tensors(tied=False)
    assert not untied.tied
    assert torch.equal(untied.encoder, untied.components)
