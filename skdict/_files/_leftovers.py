"""What processes that died left half written beside a file or folder."""

import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from skdict._files._owners import TOKEN, Owner


def name_beside(path, kind):
    """Return a name beside a path that no other process uses and that names this one."""
    unique = uuid.uuid4().hex[:12]
    return path.with_name(f".{path.name}.{Owner.here()}.{unique}.{kind}")


def find_leftovers(folder, name=None):
    """Return (path, owner, kind) of what is half written in a folder.

    Parameters
    ----------
    folder : path
        Where to look.
    name : str, optional
        Name that it was to take; by default any.

    Returns
    -------
    list of (path, Owner, {"part", "old"})
        Empty also if the folder cannot be read.
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
    """Remove what processes that are certainly gone left half written in a folder.

    Parameters
    ----------
    folder : path
        Where to look.
    name : str, optional
        Name that it was to take; by default any.
    holds_lock : bool, default=False
        True if the caller holds the lock of the kernel that its writer would hold.
    """
    for path, owner, _ in find_leftovers(folder, name):
        if owner.is_gone(holds_lock=holds_lock):
            remove(path)


def remove(path):
    """Remove a file or folder as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
