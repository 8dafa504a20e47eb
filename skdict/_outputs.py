"""Check that outputs can be written before starting the work that produces them.

Floor 0: imports the standard library only.
"""

import errno
import os
import shutil
import tempfile
from pathlib import Path


def check_output_file(name, path):
    """Check that a file can be written, without changing anything.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    path : str or path
        File to write; it may exist.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If `path` is a folder, or its parent cannot be created or written to.
    """
    path = _as_path(name, path)
    if path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a folder; pass a file, such as {_within(path)}")
    _try_writing(name, path, path.parent)


def check_output_folder(name, path):
    """Check that a folder can be created or written to, without changing anything.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    path : str or path
        Folder to write to; it may exist.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If `path` is a file, or cannot be created or written to.
    """
    path = _as_path(name, path)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a file; pass a new or existing folder")
    _try_writing(name, path, path)


def check_disk_space(name, path, n_bytes):
    """Raise `ValueError` if the disk has less than `n_bytes` of free space."""
    free = shutil.disk_usage(_nearest(Path(path).absolute())).free
    if n_bytes > free:
        raise ValueError(
            f"{name}={str(path)!r} needs about {n_bytes / 1e6:.0f} MB, but only "
            f"{free / 1e6:.0f} MB are free; free disk space, or choose another disk"
        )


def _as_path(name, path):
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise TypeError(f"{name}={path!r} is not a path; pass a str or pathlib.Path")
    if "\x00" in str(path):
        raise ValueError(f"{name}={path!r} contains a null character; pass a path without one")
    path = Path(path)
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        # For example a name that is too long, or a parent that is a file.
        raise _refused(name, path, error) from error
    return path


def _try_writing(name, path, folder):
    """Write an unnamed file to the output folder, or to its nearest existing parent."""
    there = _nearest(folder.absolute())
    try:
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{str(there)!r} is a file")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _refused(name, path, error) from error


def _nearest(folder):
    """Return a folder, or its nearest existing parent."""
    return next(p for p in (folder, *folder.parents) if os.path.lexists(p))


def _refused(name, path, error):
    return ValueError(
        f"{name}={str(path)!r} cannot be written to ({error.strerror or error}); make it "
        f"writable, or choose another path"
    )


def _within(path):
    return repr(str(path / "report.html"))
