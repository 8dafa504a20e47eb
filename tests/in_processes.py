"""Run a script as several processes of one process group, as torchrun would."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(script, size, *arguments, folder, folders=None):
    """Start a script, or a module given as ``-m name``, once for each rank.

    Parameters
    ----------
    script : path or str
        Script; it initialises the process group from the environment.
    size : int
        Number of processes.
    *arguments : object
        Arguments of the script.
    folder : path
        Working directory.
    folders : list of path, optional
        Working directory of each rank.

    Returns
    -------
    list of Popen
    """
    command = ["-m", script[3:]] if str(script).startswith("-m ") else [str(script)]
    command = [sys.executable, *command, *map(str, arguments)]
    shared = {
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    found = []
    for rank in range(size):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        found.append(
            subprocess.Popen(
                command,
                env=os.environ | shared | ranks,
                cwd=folders[rank] if folders else folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return found


def finish(processes, timeout=900):
    """Wait for processes; return the exit code, output and errors of each."""
    deadline, done = time.monotonic() + timeout, []
    try:
        for process in processes:
            out, told = process.communicate(timeout=max(1, deadline - time.monotonic()))
            done.append((process.returncode, out, told))
    finally:
        for process in processes:
            process.kill()
    return done


def run(script, size, *arguments, folder, **options):
    """Run a script in a group and return the output of each rank; all must succeed."""
    done = finish(start(script, size, *arguments, folder=folder, **options))
    for rank, (code, _, told) in enumerate(done):
        assert code == 0, f"process {rank} ended with {code}: {told}"
    return [out for _, out, _ in done]


def free_port():
    """Return a port of this machine that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
