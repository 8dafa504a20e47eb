"""On a device other than the CPU, starts, steps and encoding keep every tensor there."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("fake_device_steps.py")


def test_nothing_mixes_devices():
    done = subprocess.run(
        [sys.executable, SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=SCRIPT.parents[2],
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])},
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0] == "mixing raises"
    assert len(told) == 9
