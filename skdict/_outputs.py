"""Outputs tried before the work whose results they are to hold.

Floor 0: imports the standard library only.
"""

import errno
import os
import shutil
import tempfile
from pathlib import Path


def check_output_file(name, path):
    """Refuse a path that no file can be written to.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    path : str or path
        The file, there or to be made. Nothing is changed.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If it is a folder, or its folder cannot be made or written to.
    """
    path = _as_path(name, path)
    if path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a folder; pass a file, such as {_within(path)}")
    _try_writing(name, path, path.parent)


def check_output_folder(name, path):
    """Refuse a path that no folder with results can be written to.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    path : str or path
        The folder, there or to be made. Nothing is changed.

    Raises
    ------
    TypeError
        If it is no path.
    ValueError
        If it is a file, or cannot be made or written to.
    """
    path = _as_path(name, path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a file; pass a folder, there or to be made")
    _try_writing(name, path, path)


def check_disk_space(name, path, n_bytes):
    """Refuse a path on a disk with less free space than results take (`ValueError`)."""
    free = shutil.disk_usage(_nearest(Path(path).absolute())).free
    if n_bytes > free:
        raise ValueError(
            f"{name}={str(path)!r} is to hold about {n_bytes / 1e6:.0f} MB, and "
            f"{free / 1e6:.0f} MB are free there; choose another place, or free disk space"
        )


def _as_path(name, path):
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise TypeError(f"{name}={path!r} is not accepted: pass a path, as str or pathlib.Path")
    if "\x00" in str(path):
        raise ValueError(f"{name}={path!r} is not accepted: pass a path without null characters")
    path = Path(path)
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        # A name that is too long, or a file among its folders.
        raise _refused(name, path, error) from error
    return path


def _try_writing(name, path, folder):
    """Write a file that has no name, where the results go or the nearest folder above."""
    there = _nearest(folder.absolute())
    try:
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{str(there)!r} is a file")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _refused(name, path, error) from error


def _nearest(folder):
    """Return a folder, or the nearest one above it that is there."""
    return next(p for p in (folder, *folder.parents) if os.path.lexists(p))


def _refused(name, path, error):
    return ValueError(
        f"{name}={str(path)!r} cannot be written to ({error.strerror or error}); choose another "
        f"place, or make it writable"
    )


def _within(path):
    return repr(str(path / "report.html"))
