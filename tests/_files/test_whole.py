"""A folder is always whole, whenever a process dies."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skdict import Activations
from skdict._files import restore_interrupted, whole_folder
from skdict._files._owners import Owner

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
    with pytest.raises(FileNotFoundError, match=r"has no activations\.json"):
        Activations.load(tmp_path / "store")
    assert (tmp_path / "store" / "manifest").read_text() == "old"


def gone():
    """Return the owner that a process of this machine was."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return replace(Owner.here(), pid=process.pid)


def leave(tmp_path, name, kind, content):
    """Make what a process that died left."""
    folder = tmp_path / f".{name}.{gone()}.{'0' * 12}.{kind}"
    folder.mkdir()
    (folder / "manifest").write_text(content)
    return folder


def test_what_the_dead_left_is_cleared_and_others_are_left_alone(tmp_path):
    theirs = leave(tmp_path, "store.v2", "old", "another store")
    stale = leave(tmp_path, "store", "part", "half")
    alive = tmp_path / f".store.{replace(Owner.here(), host='0' * 8, boot='0' * 8)}.{'1' * 12}.part"
    alive.mkdir()
    with whole_folder(tmp_path / "store", "manifest", "a store") as beside:
        (beside / "manifest").write_text("new")
    assert (tmp_path / "store" / "manifest").read_text() == "new"
    assert theirs.exists()
    assert alive.exists()
    assert not stale.exists()
    restore_interrupted(tmp_path / "store.v2")
    assert (tmp_path / "store.v2" / "manifest").read_text() == "another store"


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "manifest").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for content in ("new", "newer"):
        with whole_folder(tmp_path / "link", "manifest", "a store") as beside:
            (beside / "manifest").write_text(content)
        assert (tmp_path / "real" / "manifest").read_text() == content
    assert (tmp_path / "link").is_symlink()


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="disk full"), whole_folder(tmp_path / "store", "m", "x"):
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []
