"""Time and memory of what runs on a GPU, or on the CPU where there is none."""

import gc
import statistics
import time

import torch
from memory import Peak


def synchronise(device):
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release():
    """Free what earlier sections left: compiled code, cycles of references, cached memory."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class PeakMemory:
    """Peak memory of a block: all that tensors take on a GPU, or what it adds on the CPU."""

    def __init__(self, device):
        self._device, self._host = device, Peak()
        self.megabytes = None

    def __enter__(self):
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._host.__enter__()
        return self

    def __exit__(self, *error):
        if self._device.type == "cuda":
            self.megabytes = torch.cuda.max_memory_allocated(self._device) / 2**20
        else:
            self._host.__exit__(*error)
            self.megabytes = self._host.peak - self._host.before


def milliseconds(work, device, seconds):
    """Return the median time of a call, of five at least, after a warm-up."""
    for _ in range(5):
        work()
    times = []
    while len(times) < 5 or sum(times) < 1e3 * seconds:
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)
