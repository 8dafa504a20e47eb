"""Compiled loops and torch go by the same number of threads."""

import subprocess
import sys

import pytest

from skdict._core._backends import is_compiled

LAUNCH = """
import numba, torch
from skdict._core._backends.compiled_finder import CompiledFinder
from skdict._core._screening.bounds import Screen

torch.set_num_threads(1)
x, encoder = torch.randn(64, 8), torch.randn(32, 8)
bias = torch.zeros(32)
CompiledFinder().above(x, encoder, bias, bias, Screen(encoder, bias, "full"))
print(torch.get_num_threads(), numba.get_num_threads())
"""


@pytest.mark.skipif(not is_compiled(), reason="numba is not installed")
def test_launching_compiled_loops_leaves_torch_its_threads():
    # Threads are launched once a process, and here they may have been.
    done = subprocess.run([sys.executable, "-c", LAUNCH], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "1"], done.stderr
