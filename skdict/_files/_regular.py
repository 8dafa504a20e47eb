"""Open files safely: never a pipe that does not end, a device, or a terabyte of zeros."""

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
    """Open a regular file, or a link to one, for reading in binary mode.

    Parameters
    ----------
    path : str or path
        File to open.

    Returns
    -------
    binary file object

    Raises
    ------
    ValueError
        If the path is a folder, pipe, device or socket.
    OSError
        If the file is missing or cannot be opened.
    """
    path = Path(path)
    # Check before opening, because opening a device can already have side effects.
    _check_regular(path, path.stat().st_mode)
    file = path.open("rb") if os.name == "nt" else open(str(path), "rb", opener=_open_at_once)
    try:
        _check_regular(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path, *, most):
    """Return the content of a regular file of at most `most` bytes.

    Raises
    ------
    ValueError
        If the file is larger, or not a regular file.
    OSError
        If the file is missing or cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # Check the number of bytes read as well, because some file systems report no size.
        content = file.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise ValueError(
            f"{str(path)!r} has {max(size, len(content))} bytes, but at most {most} are accepted; "
            f"pass the file that was written originally"
        )
    return content


def read_text(path, *, most, encoding="utf-8"):
    """Return the text of a regular file of at most `most` bytes.

    Raises
    ------
    ValueError
        If the file is larger, not UTF-8, or not a regular file.
    OSError
        If the file is missing or cannot be read.
    """
    try:
        return read_bytes(path, most=most).decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 ({error}); convert it to UTF-8") from error


def _open_at_once(path, flags):
    # If a pipe has replaced the file since the check, do not wait for its writer.
    return os.open(path, flags | os.O_NONBLOCK)


def _check_regular(path, mode):
    if stat.S_ISREG(mode):
        return
    kind = next((name for is_kind, name in KINDS.items() if is_kind(mode)), "of another kind")
    raise ValueError(f"{str(path)!r} is {kind}, not a regular file; pass a regular file")
