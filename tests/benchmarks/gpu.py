"""Every GPU test and benchmark, in one table within ten minutes; this needs CUDA.

Run: python tests/benchmarks/gpu.py
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from skdict._core import L1, NONLINEARITIES, Stack, Trainer, random_tensors

ROOT = Path(__file__).parents[2]
SHAPES = [(128, 512), (512, 2048), (512, 8192), (1024, 16384)]
N_ROWS = 4096


def plain_step(tensors, alpha):
    """Return a step of a plain loop: autograd and Adam, as one would write it."""
    weight = tensors.components.clone().requires_grad_()
    bias = tensors.bias.clone().requires_grad_()
    adam = torch.optim.Adam([weight, bias], lr=1e-3, fused=True)

    def step(x):
        components = weight / weight.norm(dim=1, keepdim=True)
        codes = torch.relu(x @ components.T + bias)
        loss = (x - codes @ components).square().sum(1).mean() + alpha * codes.sum(1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()

    return step


def new_trainer(m, d, seed, product_dtype):
    """Return a trainer of random directions."""
    relu = NONLINEARITIES["relu"]()
    tensors = random_tensors(
        m,
        d,
        tied=True,
        nonlinearity=relu,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float32,
        device=torch.device("cuda"),
    )
    settings = {"learning_rate": 1e-3, "batch_size": N_ROWS, "product_dtype": product_dtype}
    return Trainer(tensors, relu, L1(0.1), **settings)


def milliseconds(step, x, repeats=30):
    """Return the median time of a step."""
    for _ in range(10):
        step(x)
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step(x)
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def time_shape(m, d):
    """Print the times of one shape."""
    x = torch.randn(N_ROWS, d, device="cuda") / d**0.5
    gemm = 2 * N_ROWS * m * d
    plain_tensors = new_trainer(m, d, 0, torch.float32).tensors
    rows = {"plain loop, float32": milliseconds(plain_step(plain_tensors, 0.1), x)}
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        rows[f"one dictionary, {name}"] = milliseconds(new_trainer(m, d, 0, dtype).step, x)
        for n_stacked in (1, 8):
            trainers = [new_trainer(m, d, seed, dtype) for seed in range(n_stacked)]
            stack = Stack(trainers)
            rows[f"stack of {n_stacked}, recorded, {name}"] = (
                milliseconds(stack.step, x) / n_stacked
            )
            del trainers, stack
            torch.cuda.empty_cache()
    plain = rows["plain loop, float32"]
    for name, ms in rows.items():
        rate = 5 * gemm / ms / 1e9
        print(f"{d:5d} {m:6d}  {name:36s} {ms:8.3f} ms  {plain / ms:6.1f} x  {rate:7.1f} TFLOP/s")


def main():
    """Run the tests, then the timings."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not torch.cuda.is_available():
        sys.exit("there is no GPU: torch.cuda.is_available() is False")
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"], cwd=ROOT, check=False
    )
    print("\ntime of a step for each dictionary, 4,096 rows; rate counts five products")
    for d, m in SHAPES:
        time_shape(m, d)
    sys.exit(tests.returncode)


if __name__ == "__main__":
    main()
