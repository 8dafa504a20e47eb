"""Folders and files that are always whole."""

import os
import time
from contextlib import contextmanager
from pathlib import Path

from skdict._files._errors import explained
from skdict._files._leftovers import clear_leftovers, find_leftovers, name_beside, remove
from skdict._files._locks import MOMENT, MOMENTS, Lock, held_here, lock_path, locked


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
        If there is something else of this name, or another process is writing to it.
    OSError
        If something cannot be written; what was there before is then untouched.
    """
    folder = Path(folder).resolve()
    try:
        with locked(folder):
            check_replaceable(folder, manifest, what)
            yield from _replacement(folder)
    except OSError as error:
        raise explained(error, folder) from error


def _replacement(folder):
    beside, old = (name_beside(folder, kind) for kind in ("part", "old"))
    try:
        beside.mkdir()
        yield beside
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
    finally:
        # None of these may hide the error that led here.
        remove(beside)
        _give_back(old, folder)
        if folder.exists():
            remove(old)


def replace_file(path, content):
    """Write a file in one step: readers see the old content or the new, never a part.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is made if need be.
    content : bytes
        New content of the file.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is then untouched.
    """
    clear_leftovers(path.parent, path.name)
    beside = name_beside(path, "part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        remove(beside)


def check_replaceable(folder, manifest, what):
    """Refuse a name that something else than such a folder has (`FileExistsError`)."""
    restore_interrupted(folder)
    if Path(folder).exists() and not (Path(folder) / manifest).is_file():
        raise FileExistsError(f"{str(folder)!r} exists and is not {what}; choose another folder")


def restore_interrupted(folder):
    """Clear up after processes that died while they wrote a folder of this name.

    Folders cannot be exchanged in one step everywhere, so for a moment neither the old nor the
    new one has the name: then the old one gets it back. What else the dead left is removed. Where
    a process is writing, or may be, nothing is touched; where nothing can be written, nothing is
    done.
    """
    folder = Path(folder).resolve()
    if not (find_leftovers(folder.parent, folder.name) or lock_path(folder).exists()):
        return
    try:
        with _brief_lock(folder) as lock:
            settle(folder, lock)
    except OSError:
        _await_exchange(folder)


@contextmanager
def _brief_lock(folder):
    """Hold the lock of a folder, without naming this process if it was not held before."""
    if (held := held_here(folder)) is not None:
        yield held
        return
    with Lock(folder, signed=False) as lock:
        yield lock


def settle(folder, lock):
    """Clear up after processes that died while they wrote a folder whose lock is held."""
    found = find_leftovers(folder.parent, folder.name)
    gone = [(p, kind) for p, owner, kind in found if owner.is_gone(holds_lock=lock.by_kernel)]
    moved = [path for path, kind in gone if kind == "old"]
    if moved:
        _give_back(max(moved, key=lambda path: path.stat().st_mtime_ns), folder)
    for path, kind in gone:
        if kind == "part" or folder.exists():
            remove(path)


def _give_back(old, folder):
    try:
        if old.exists() and not folder.exists():
            old.rename(folder)
    except OSError:
        pass


def _await_exchange(folder):
    """Wait for a process that is just exchanging the old folder for the new one."""
    for _ in range(MOMENTS):
        exchanging = any(kind == "old" for *_, kind in find_leftovers(folder.parent, folder.name))
        if folder.exists() or not exchanging:
            return
        time.sleep(MOMENT)
