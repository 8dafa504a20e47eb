"""Start, train and encode on a device that is not the CPU; mixing it with the CPU raises.

Run by test_devices.py in a process of its own, because a made-up device cannot be unregistered.
torch has no kernels for this device, so its tensors are fake: they have shapes, dtypes and a device
but no values. The code takes the branches of a GPU, except that steps are not recorded as graphs.
"""

from itertools import product
from unittest import mock

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from skdict._core import (
    L0,
    L1,
    NONLINEARITIES,
    AffineDictionary,
    Gate,
    Levels,
    Stack,
    Trainer,
    _adam,
    calibrate_bias,
    draw_encoder,
    random_tensors,
    with_skip,
)
from skdict._core._inference import iter_codes

DEVICE = torch.device("privateuseone:0")
KS = {"relu": [], "topk": [4], "batch_topk": [3.5], "jumprelu": []}
N, M, D = 64, 96, 16


def adam_of_cuda(tensors, gradients, first, second, _, counts, *, lr, **options):
    """Check what torch's fused kernel for CUDA reads without checking; fake tensors have none."""
    for one in zip(tensors, gradients, first, second, strict=True):
        assert {(t.device, t.dtype, t.shape) for t in one} == {(DEVICE, one[0].dtype, one[0].shape)}
    scalars = [*counts, lr] if torch.is_tensor(lr) else counts
    assert {(t.device, t.dtype, t.ndim) for t in scalars} == {(DEVICE, torch.float32, 0)}


def new_trainer(kind, tied, dtype, product_dtype, skip):
    """Return a trainer after every kind of start."""
    nonlinearity, sample = NONLINEARITIES[kind](*KS[kind]), empty(256, D, dtype)
    tensors = random_tensors(
        M,
        D,
        tied=tied,
        nonlinearity=nonlinearity,
        generator=None,
        dtype=dtype,
        device=DEVICE,
        target_width=D if skip else None,
    )
    draw_encoder(tensors, sample, None)
    tensors.bias.copy_(calibrate_bias(tensors.encoder, sample, 0.03))
    nonlinearity.calibrate(tensors, sample)
    return Trainer(
        with_skip(tensors, sample, sample) if skip else tensors,
        nonlinearity,
        L0(0.1) if kind == "jumprelu" else L1(0.1),
        learning_rate=1e-3,
        batch_size=N,
        product_dtype=product_dtype,
        levels=Levels((M // 4, M), (0.5, 0.5)) if skip else None,
        silent_steps=None if kind == "relu" else 5,
    )


def take_steps(kind, tied, precision, skip):
    """Take steps in a trainer and in a stack of two."""
    dtype, product_dtype = precision
    x, weights = empty(N, D, dtype), empty(N, None, dtype)
    trainers = [new_trainer(kind, tied, dtype, product_dtype, skip) for _ in range(3)]
    for trainer in (trainers[0], Stack(trainers[1:])):
        trainer.step(x, 0.5, weights, x if skip else None)
    for trainer in trainers:
        assert {t.device for t in trainer._state_tensors().values()} == {DEVICE}
    trainers[0].model.residual(x, x if skip else None)


def encode(gate):
    """Encode rows of the host with a dictionary on the device, and decode the codes."""
    names = {"components": (M, D), "encoder": (M, D), "encoder_bias": (M, None)}
    names |= {"center": (D, None), "offset": (D, None)}
    tensors = {name: empty(*shape, torch.float32) for name, shape in names.items()}
    dictionary = AffineDictionary(**tensors, nonlinearity=gate)
    for codes in iter_codes(dictionary, [np.ones((300, D), np.float32)]):
        assert codes.device == dictionary.decode(codes).device == DEVICE


def empty(n, width, dtype):
    """Return a tensor on the device."""
    return torch.empty(n if width is None else (n, width), dtype=dtype, device=DEVICE)


def main():
    """Run everything, after a check that mixing devices raises."""
    _setup_privateuseone_for_python_backend()
    single, double, half = torch.float32, torch.float64, torch.bfloat16
    ones = np.ones(M, np.float32)
    # Frozen gates keep their numbers on the host until they meet codes.
    with FakeTensorMode(allow_non_fake_inputs=True):
        try:
            empty(N, D, single) + torch.zeros(D)
        except FakeTensorDeviceMismatchError:
            print("mixing raises")
        for gate in (Gate(ones, ones, ones), Gate(k=4), Gate(k=4, signed=True)):
            encode(gate)
        with mock.patch.object(_adam, "adam", adam_of_cuda):
            for kind, tied in product(KS, (True, False)):
                take_steps(kind, tied, (double, double), skip=False)
                take_steps(kind, tied, (single, half), skip=not tied)
                print(kind, "tied" if tied else "untied", "on one device")


if __name__ == "__main__":
    main()
