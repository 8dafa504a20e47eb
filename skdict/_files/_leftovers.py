"""Find and remove partial files that terminated processes left next to a file or folder."""

import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from skdict._files._owners import TOKEN, Owner


def name_beside(path, kind):
    """Return a unique temporary path next to a path, whose name identifies this process."""
    unique = uuid.uuid4().hex[:12]
    return path.with_name(f".{path.name}.{Owner.here()}.{unique}.{kind}")


def find_leftovers(folder, name=None):
    """Return path, owner and kind of the partial files and folders in a folder.

    Parameters
    ----------
    folder : path
        Folder to search.
    name : str, optional
        Final name of the file or folder; any name by default.

    Returns
    -------
    list of (path, Owner, {"part", "old"})
        Leftovers found; empty if the folder cannot be read.
    """
    name = r".+" if name is None else re.escape(name)
    pattern = re.compile(rf"\.{name}\.({TOKEN})\.[0-9a-f]{{12}}\.(part|old)")
    found = []
    with suppress(OSError):
        for path in Path(folder).iterdir():
            if match := pattern.fullmatch(path.name):
                found.append((path, Owner.parse(match[1]), match[2]))
    return found


def clear_leftovers(folder, name=None, *, holds_lock=False):
    """Remove partial files and folders whose writers have certainly terminated.

    Parameters
    ----------
    folder : path
        Folder to search.
    name : str, optional
        Final name of the file or folder; any name by default.
    holds_lock : bool, default=False
        If True, the caller holds the kernel lock that a running writer would hold.
    """
    for path, owner, _ in find_leftovers(folder, name):
        if owner.is_gone(holds_lock=holds_lock):
            remove(path)


def remove(path):
    """Remove a file or folder, ignoring errors."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
