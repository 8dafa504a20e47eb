"""One seed gives the same bits in every process, whatever else the machine does."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("determinism.py")
BUSY = "while True: pass"
THREADS = {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}


def hashes(kind, n_quiet, n_busy, n_rows=5000):
    """Return the results of processes, some of them with other work beside them."""
    # Threads that spin while they wait would take minutes beside other work.
    environment = os.environ | THREADS | {"OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(SCRIPT), kind, str(n_rows)]
    found = []
    for n_loops in [0] * n_quiet + [2] * n_busy:
        with ExitStack() as stack:
            for _ in range(n_loops):
                loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
                stack.callback(loop.kill)
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    return found


def test_a_fit_beside_other_work_and_a_resumed_one_give_one_hash():
    assert len(set(hashes("batch_topk", 0, 1, 1000) + hashes("resumed", 1, 0, 1000))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["defaults", "zeros", "batch_topk", "resumed"])
def test_six_processes_give_one_hash(kind):
    assert len(set(hashes(kind, 3, 3))) == 1
