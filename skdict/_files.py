"""Folders that are always whole.

Floor 1: imports the standard library only.
"""

import glob
import os
import shutil
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
    folder = Path(folder)
    restore_interrupted(folder)
    if folder.exists() and not (folder / manifest).is_file():
        raise FileExistsError(f"{str(folder)!r} exists and is not {what}; choose another folder")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def restore_interrupted(folder):
    """Give a folder its name back if a process died between moving the old and the new one.

    Folders cannot be exchanged in one step everywhere, so for a moment neither has the name.
    """
    folder = Path(folder)
    if not folder.exists() and folder.parent.is_dir():
        moved = sorted(folder.parent.glob(f".{glob.escape(folder.name)}.*.old"))
        if moved:
            moved[-1].rename(folder)
