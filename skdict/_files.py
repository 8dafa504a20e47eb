"""Folders and files that are always whole.

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
    OSError
        If something cannot be written; what was there before is then untouched.
    """
    folder = Path(folder).resolve()
    check_replaceable(folder, manifest, what)
    beside, old = (name_beside(folder, kind) for kind in ("part", "old"))
    try:
        beside.mkdir(parents=True)
        yield beside
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
    except OSError as error:
        raise _explained(error, folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def replace_file(path, content):
    """Write a file in one step: readers see the old content or the new, never a part.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is made if need be.
    content : bytes
        What it is to hold.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is then untouched.
    """
    restore_interrupted(path)
    beside = name_beside(path, "part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        os.replace(beside, path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        beside.unlink(missing_ok=True)


def check_replaceable(folder, manifest, what):
    """Refuse a name that something else than such a folder has (`FileExistsError`)."""
    restore_interrupted(folder)
    if Path(folder).exists() and not (Path(folder) / manifest).is_file():
        raise FileExistsError(f"{str(folder)!r} exists and is not {what}; choose another folder")


def restore_interrupted(folder):
    """Clear up after processes that died while they wrote a folder or file of this name.

    Folders cannot be exchanged in one step everywhere, so for a moment neither the old nor the
    new one has the name: then the old one gets it back. What else the dead left is removed.
    """
    folder = Path(folder).resolve()
    pattern = re.compile(rf"\.{re.escape(folder.name)}\.(\d+)\.[0-9a-f]{{32}}\.(part|old)")
    if not folder.parent.is_dir():
        return
    found = [(p, pattern.fullmatch(p.name)) for p in folder.parent.iterdir()]
    dead = [(p, m[2]) for p, m in found if m and not is_alive(int(m[1]))]
    moved = [p for p, kind in dead if kind == "old"]
    if moved and not folder.exists():
        max(moved, key=lambda p: p.stat().st_mtime_ns).rename(folder)
    for path, _ in dead:
        _remove(path)


def remove_leftovers(folder):
    """Remove what dead processes left half written inside a folder, whatever its name."""
    for path in Path(folder).iterdir():
        match = re.fullmatch(r"\..+\.(\d+)\.[0-9a-f]{32}\.part", path.name)
        if match and not is_alive(int(match[1])):
            _remove(path)


def name_beside(path, kind):
    """Return a name beside a path that no other process uses and that names this one."""
    return path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}.{kind}")


def is_alive(pid):
    """Whether a process of this number runs here; our own number counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _explained(error, path):
    """Return an error that names what could not be written; those that say it already stay."""
    if isinstance(error, FileExistsError) or "could not be written" in str(error):
        return error
    return OSError(
        f"{str(path)!r} could not be written ({error}); what was there before is untouched: free "
        f"disk space, or choose another place"
    )
