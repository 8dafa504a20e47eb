"""Folders that are always whole.

Floor 1: imports the standard library only.
"""

import os
import re
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder, manifest, what):
    """Give a folder to write into that takes its name when all is written.

    Parameters
    ----------
    folder : str or path
        Name that the folder takes; an earlier one with the same manifest is replaced.
    manifest : str
        Name of the file that tells such a folder from others.
    what : str
        What such a folder holds, for the message.

    Yields
    ------
    pathlib.Path
        The folder beside, gone again if writing fails.

    Raises
    ------
    FileExistsError
        If there is something else of this name.
    """
    folder = Path(folder).resolve()
    restore_interrupted(folder)
    if folder.exists() and not (folder / manifest).is_file():
        raise FileExistsError(f"{str(folder)!r} exists and is not {what}; choose another folder")
    beside, old = (_name_beside(folder, kind) for kind in ("part", "old"))
    beside.mkdir(parents=True)
    try:
        yield beside
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def restore_interrupted(folder):
    """Clear up after processes that died while they wrote a folder.

    Folders cannot be exchanged in one step everywhere, so for a moment neither the old nor the
    new one has the name: then the old one gets it back. What else the dead left is removed.
    """
    folder = Path(folder).resolve()
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.(\d+)\.[0-9a-f]{{32}}\.(part|old)")
    if not folder.parent.is_dir():
        return
    found = [(p, pattern.fullmatch(p.name)) for p in folder.parent.iterdir()]
    dead = [(p, m[2]) for p, m in found if m and not _is_alive(int(m[1]))]
    moved = [p for p, kind in dead if kind == "old"]
    if moved and not folder.exists():
        max(moved, key=lambda p: p.stat().st_mtime_ns).rename(folder)
    for path, _ in dead:
        shutil.rmtree(path, ignore_errors=True)


def _name_beside(folder, kind):
    return folder.with_name(f".{folder.name}.{os.getpid()}.{uuid.uuid4().hex}.{kind}")


def _is_alive(pid):
    """Whether a process of this number runs here; our own number counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
