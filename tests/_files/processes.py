"""Other processes, also in PID namespaces and mounts of their own, that use `skdict._files`."""

import shutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest

import skdict

# The package itself takes seconds to import, and nothing of it is needed.
PRELUDE = f"""
import os, sys, time, types
from pathlib import Path
package = types.ModuleType("skdict")
package.__path__ = [{str(Path(skdict.__file__).parent)!r}]
sys.modules["skdict"] = package
from skdict._files import *
folder = Path(sys.argv[1])
"""
NEW_PID_SPACE = ("unshare", "--pid", "--fork", "--mount-proc")
OLD_PROC = ("unshare", "--pid", "--fork")
NEW_MOUNTS = ("unshare", "--mount")


@cache
def is_permitted(*prefix):
    return shutil.which(prefix[0]) is not None and (
        subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    )


def needs(prefix):
    """Skip a test where the system does not permit such processes."""
    if not is_permitted(*prefix):
        pytest.skip(f"{' '.join(prefix)} is not permitted here")


def python(code, folder, *, prefix=()):
    """Return a started process that runs code and can be talked to."""
    command = [*prefix, sys.executable, "-c", PRELUDE + textwrap.dedent(code), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, **pipes)


def told_by(code, folder, *, prefix=()):
    """Run code to its end, and return what it printed."""
    with python(code, folder, prefix=prefix) as process:
        return process.communicate(timeout=60)[0].strip()
