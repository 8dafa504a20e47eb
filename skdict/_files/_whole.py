"""Write folders and files that are never seen incomplete."""

import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

from skdict._files._errors import explained
from skdict._files._leftovers import clear_leftovers, find_leftovers, name_beside, remove
from skdict._files._locks import MOMENT, MOMENTS, Lock, held_here, lock_path, locked


@contextmanager
def whole_folder(folder, manifest, what):
    """Provide a temporary folder to write to, and rename it when everything is written.

    Parameters
    ----------
    folder : str or path
        Final path of the folder; an existing folder with the same manifest is replaced.
    manifest : str
        Name of the file that identifies folders of this kind.
    what : str
        Description of folders of this kind, for the message.

    Yields
    ------
    pathlib.Path
        Temporary folder, removed if writing fails.

    Raises
    ------
    FileExistsError
        If the path exists and is not a folder of this kind, or another process is writing to it.
    OSError
        If something cannot be written; an existing folder is then left unchanged.
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
        # None of these steps may hide the original error.
        remove(beside)
        _give_back(old, folder)
        if folder.exists():
            remove(old)


def replace_file(path, content):
    """Write a file atomically: readers see the old content or the new, never a part of it.

    Parameters
    ----------
    path : pathlib.Path
        File to write; its folder is created if necessary.
    content : bytes
        New content of the file.

    Raises
    ------
    OSError
        If the file cannot be written; an existing file is then left unchanged.
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


def link_folder(source, folder):
    """Create a folder with hard links to the files of another one, complete or not at all.

    Files are copied where the file system has no links. An existing folder is replaced.

    Raises
    ------
    OSError
        If a file can be neither linked nor copied.
    """
    beside = name_beside(folder, "part")
    try:
        beside.mkdir()
        for path in source.iterdir():
            try:
                os.link(path, beside / path.name)
            except OSError:
                shutil.copy2(path, beside / path.name)
        remove(folder)
        beside.rename(folder)
    except OSError as error:
        raise explained(error, folder) from error
    finally:
        remove(beside)


def check_replaceable(folder, manifest, what):
    """Raise `FileExistsError` if the path exists and is not a folder with such a manifest."""
    restore_interrupted(folder)
    if Path(folder).exists() and not (Path(folder) / manifest).is_file():
        raise FileExistsError(f"{str(folder)!r} exists and is not {what}; choose another folder")


def restore_interrupted(folder):
    """Clean up after processes that terminated while writing this folder.

    Not every system can exchange two folders in one step, so for a moment neither the old nor the
    new folder has the final name. A process that ends at that moment leaves only the old folder,
    which gets its name back; other leftovers are removed. Nothing is changed while another process
    is or may be writing, or if the folder cannot be written to.
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
    """Hold the lock of a folder; if this thread does not hold it yet, take an unsigned one."""
    if (held := held_here(folder)) is not None:
        yield held
        return
    with Lock(folder, signed=False) as lock:
        yield lock


def settle(folder, lock):
    """Clean up after processes that terminated while writing a folder whose lock is held."""
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
    """Wait while another process replaces the old folder by the new one."""
    for _ in range(MOMENTS):
        exchanging = any(kind == "old" for *_, kind in find_leftovers(folder.parent, folder.name))
        if folder.exists() or not exchanging:
            return
        time.sleep(MOMENT)
