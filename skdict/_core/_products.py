"""Dense products: which library multiplies float32 matrices on this processor."""

from contextlib import contextmanager
from functools import cache
from pathlib import Path

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
    """Return "onednn" where it multiplies float32 matrices faster and as exactly, else "default".

    It follows from the processor and the build of torch alone, never from a clock: the library
    decides the order of sums. oneDNN is faster on AMD's processors, where MKL, the default of
    torch's builds for x86, leaves its fastest kernels out. On processors with products of bfloat16
    numbers in hardware oneDNN may use these, which are not exact enough.
    """
    has_setting = hasattr(torch.backends.mkldnn, "matmul") and torch.backends.mkldnn.is_available()
    if not has_setting or _processor_vendor() != "AuthenticAMD":
        return "default"
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(512, 512, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()
    ours = _onednn(left, right, torch.empty(512, 512))
    errors = [float((product.double() - exact).abs().max()) for product in (ours, left @ right)]
    return "onednn" if errors[0] <= MOST_TIMES_WORSE * errors[1] else "default"


def _processor_vendor():
    """Return the vendor that Linux names, such as "AuthenticAMD"; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
    return next(named, "")


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
