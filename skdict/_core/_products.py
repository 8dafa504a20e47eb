"""Dense matrix products: choose the library that multiplies float32 on this processor."""

from functools import cache
from pathlib import Path
from threading import Lock

import torch

# Correct float32 products differ from the exact ones by a few rounding errors. The error is a
# hundred times larger on processors that round the factors to bfloat16.
MOST_TIMES_WORSE = 8


def multiplier(dtype, product_dtype, device):
    """Return a function ``multiply(left, right, out)`` for matrices or stacks of matrices.

    Parameters
    ----------
    dtype : torch.dtype
        Data type of the matrices and of the result.
    product_dtype : torch.dtype
        Data type that matrices are rounded to inside products.
    device : torch.device
        Device of the matrices.
    """
    if product_dtype != dtype:
        return lambda left, right, out: out.copy_(left.to(product_dtype) @ right.to(product_dtype))
    if device.type == "cpu" and dtype == torch.float32 and float32_library() == "onednn":
        return _onednn
    return lambda left, right, out: torch.matmul(left, right, out=out)


@cache
def float32_library():
    """Return "onednn" if it multiplies float32 matrices faster and as accurately, else "default".

    The library determines the order of sums, so the choice depends only on the processor and the
    build of torch, never on timings. oneDNN is faster on AMD processors, where MKL, the default in
    torch's x86 builds, does not use its fastest kernels. On processors with bfloat16 instructions
    oneDNN may use those, which are not accurate enough.
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
    """Return the processor vendor that Linux reports, such as "AuthenticAMD", or ""."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
    return next(named, "")


def _onednn(left, right, out):
    with _onednn_for_float32:
        return torch.matmul(left, right, out=out)


class _OnednnForFloat32:
    """Have oneDNN multiply float32 matrices; the setting also permits less accurate products.

    The setting belongs to the process, so the first thread to enter changes it and the last to
    leave restores it. If each thread restored what it found, the change could outlast all of them.
    """

    def __init__(self):
        self._lock, self._inside, self._before = Lock(), 0, None

    def __enter__(self):
        settings = torch.backends.mkldnn.matmul
        with self._lock:
            if self._inside == 0:
                self._before = settings.fp32_precision
                settings.fp32_precision = "bf16"
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                torch.backends.mkldnn.matmul.fp32_precision = self._before


_onednn_for_float32 = _OnednnForFloat32()
