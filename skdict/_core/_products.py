"""Dense products: which library multiplies float32 matrices on this processor."""

import time
from contextlib import contextmanager
from functools import cache

import torch

# A product in float32 may differ from the exact one by a few roundings of sums; a product of
# bfloat16 numbers, which some processors make of it, is a hundred times further off.
MOST_TIMES_WORSE = 8


def multiplier(dtype, product_dtype, device):
    """Return ``multiply(left, right, out)`` for matrices of a dtype, stacked ones too.

    Parameters
    ----------
    dtype : torch.dtype
        Of the matrices and of sums.
    product_dtype : torch.dtype
        What matrices are rounded to inside products.
    device : torch.device
        Where they are.
    """
    if product_dtype != dtype:
        return lambda left, right, out: out.copy_(left.to(product_dtype) @ right.to(product_dtype))
    if device.type == "cpu" and dtype == torch.float32 and float32_library() == "onednn":
        return _onednn
    return lambda left, right, out: torch.matmul(left, right, out=out)


@cache
def float32_library():
    """Return "onednn" where its float32 products are faster and as exact, else "default".

    Found once a process by a few milliseconds of measurement: what is fast depends on the
    processor, and on some of them oneDNN's faster products are not float32 ones.
    """
    if not hasattr(torch.backends.mkldnn, "matmul") or not torch.backends.mkldnn.is_available():
        return "default"
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(512, 512, generator=generator) for _ in range(2))
    exact = left.double() @ right.double().T
    out = torch.empty(512, 512)
    ways = {"default": lambda: torch.mm(left, right.T, out=out)}
    ways["onednn"] = lambda: _onednn(left, right.T, out)
    errors, seconds = {}, {}
    for name, way in ways.items():
        errors[name] = float((way().double() - exact).abs().max())
        seconds[name] = best_seconds(way, 5)
    exact_enough = errors["onednn"] <= MOST_TIMES_WORSE * errors["default"]
    return "onednn" if exact_enough and seconds["onednn"] < seconds["default"] else "default"


def best_seconds(work, repeats):
    """Return the shortest time that work took."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _onednn(left, right, out):
    with _onednn_for_float32():
        return torch.matmul(left, right, out=out)


@contextmanager
def _onednn_for_float32():
    """Let oneDNN multiply float32 matrices; the setting also permits less exact products."""
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before
