"""A folder is always whole, whenever a process dies."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skdict import Activations
from skdict._files import whole_folder

SAVE_FOR_EVER = """
import sys, numpy as np
from skdict import Activations
number = 0
while True:
    rows = np.full((20_000, 8), number, dtype="float32")
    columns = np.arange(20_000)
    acts = Activations(rows, documents=columns, positions=columns, token_ids=columns)
    acts.metadata["number"] = number
    acts.save(sys.argv[1])
    number += 1
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    "kills", [3, pytest.param(30, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_killed_at_random_moments_what_is_there_is_whole(tmp_path, kills):
    chance = random.Random(0)
    for _ in range(kills):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path / "store")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(chance.random() * 0.05)
            process.kill()
        loaded = Activations.load(tmp_path / "store")
        assert (np.asarray(loaded) == loaded.metadata["number"]).all()
        assert loaded.shape == (20_000, 8)


@pytest.mark.parametrize("fatal", [1, 2])
def test_dying_between_the_renames_loses_nothing(tmp_path, monkeypatch, fatal):
    with whole_folder(tmp_path / "store", "manifest", "a store") as beside:
        (beside / "manifest").write_text("old")
    plain, calls = Path.rename, []

    def rename(self, target):
        calls.append(target)
        if len(calls) == fatal:
            raise KeyboardInterrupt
        return plain(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        with whole_folder(tmp_path / "store", "manifest", "a store") as beside:
            (beside / "manifest").write_text("new")
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match=r"holds no activations\.json"):
        Activations.load(tmp_path / "store")
    assert (tmp_path / "store" / "manifest").read_text() == "old"


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="disk full"), whole_folder(tmp_path / "store", "m", "x"):
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []
