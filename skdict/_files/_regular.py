"""Opening files that may be anything: a pipe that never ends, a device, a terabyte of zeros."""

import os
import stat
from pathlib import Path

KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


def open_regular(path):
    """Open a regular file, or a link to one, for reading bytes.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    binary file object

    Raises
    ------
    ValueError
        If it is a folder, pipe, device or socket.
    OSError
        If it is missing or cannot be opened.
    """
    path = Path(path)
    # Before it is opened: opening alone makes some devices act.
    _check_regular(path, path.stat().st_mode)
    file = path.open("rb") if os.name == "nt" else open(str(path), "rb", opener=_open_at_once)
    try:
        _check_regular(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path, *, most):
    """Return the content of a regular file of at most so many bytes.

    Raises
    ------
    ValueError
        If it is larger, or not a regular file.
    OSError
        If it is missing or cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Read on as well: some file systems report no size.
        content = file.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise ValueError(
            f"{str(path)!r} holds {max(size, len(content))} bytes where at most {most} are "
            f"accepted; pass the file that was written"
        )
    return content


def read_text(path, *, most, encoding="utf-8"):
    """Return the text of a regular file of at most so many bytes in UTF-8.

    Raises
    ------
    ValueError
        If it is larger, not UTF-8, or not a regular file.
    OSError
        If it is missing or cannot be read.
    """
    try:
        return read_bytes(path, most=most).decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 ({error}); convert it to UTF-8") from error


def _open_at_once(path, flags):
    # A pipe that took the place of the file since it was looked at would wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _check_regular(path, mode):
    if stat.S_ISREG(mode):
        return
    kind = next((name for is_kind, name in KINDS.items() if is_kind(mode)), "something else")
    raise ValueError(f"{str(path)!r} is {kind}, not a regular file; pass the file that was written")
