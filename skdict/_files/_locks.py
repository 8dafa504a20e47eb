"""One writer to a folder.

The lock is a file beside the folder, ``.<name>.lock``, locked by the kernel, which gives it back
however its holder ends and knows all holders in every PID namespace. The file also names its
holder: for messages, and for machines that share the disk and do not share the kernel's locks.
"""

import errno
import json
import os
import platform
import stat
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from skdict._files._errors import explained
from skdict._files._owners import Owner

try:
    import fcntl
except ImportError:  # Windows: the name of the holder decides alone.
    fcntl = None

MOST_BYTES = 4096
# Time for another process to name itself, or for a reader to clear up and go.
MOMENTS, MOMENT = 20, 0.05
UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}
_held = {}


class Lock:
    """The right to write to a folder, until `close`.

    Parameters
    ----------
    folder : str or path
        The folder, there or to be made; its parent is made if need be.
    signed : bool, default=True
        Name this process in the lock. One that is held for a moment only is not signed: who finds
        it waits.

    Attributes
    ----------
    by_kernel : bool
        True if the kernel vouches that no other process of this boot holds it.

    Raises
    ------
    FileExistsError
        If another process holds it, or may hold it.
    OSError
        If the lock cannot be written.
    """

    def __init__(self, folder, *, signed=True):
        self.folder = Path(folder).resolve()
        self.path = lock_path(self.folder)
        self._pid = os.getpid()
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._take(signed)
        except OSError as error:
            raise explained(error, self.folder) from error

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Give the lock back."""
        # A forked process has a copy of the open file and must not give back what is not its own.
        if self._file is None or self._pid != os.getpid():
            return
        # Whatever went wrong before is what is to be told.
        with suppress(OSError):
            if _is_at(self._file, self.path):
                self.path.unlink()
        with suppress(OSError):
            _unlock(self._file)
        os.close(self._file)
        self._file = None

    def _take(self, signed):
        for moment in range(MOMENTS):
            time.sleep(MOMENT if moment else 0)
            self._file, self.by_kernel, holder = self._try(signed)
            if self._file is not None:
                return
            if holder:
                break
        raise FileExistsError(self._told(holder))

    def _try(self, signed):
        """Return the open lock or None, if the kernel holds it, and the content of the file."""
        file, is_new = self._open()
        keep = False
        try:
            by_kernel = _lock(file)
            content = _read(file)
            if by_kernel is None:
                return None, None, content
            if not _is_at(file, self.path):
                return None, None, b""
            if not (is_new or self._is_free(content, by_kernel)):
                return None, None, content or b"?"
            if not (is_new or by_kernel):
                # Made anew, so that of several who find it free one alone succeeds.
                self.path.unlink(missing_ok=True)
                return None, None, b""
            _write(file, signed)
            keep = True
            return file, by_kernel, b""
        finally:
            if not keep:
                os.close(file)

    def _open(self):
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            return os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            pass
        try:
            file = os.open(self.path, flags)
        except FileNotFoundError:
            return self._open()
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileExistsError(f"{str(self.path)!r} is not a lock of skdict; remove it")
        return file, False

    def _is_free(self, content, by_kernel):
        """Say if whoever left the lock is gone."""
        owner = Owner.parse(_fields(content)[2])
        if owner is None:
            # Killed before it named itself, if the kernel says that nobody holds the file.
            return by_kernel and not content
        return owner.is_gone(holds_lock=by_kernel)

    def _told(self, content):
        pid, host, _ = _fields(content or b"")
        who = f"process {pid} on {host}" if pid else "another process"
        return (
            f"{who} is writing to {str(self.folder)!r}; wait until it has finished, choose another "
            f"folder or, if it no longer runs, remove {str(self.path)!r}"
        )


def lock_path(folder):
    """Return the file that is the lock of a folder."""
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def locked(folder, *, patience=0.0):
    """Hold the lock of a folder, unless this thread holds it already.

    Parameters
    ----------
    folder : str or path
        The folder, there or to be made.
    patience : float, default=0.0
        Seconds to wait for another process.

    Yields
    ------
    Lock

    Raises
    ------
    FileExistsError
        If another process holds it.
    OSError
        If it cannot be taken, as on a read-only file system.
    """
    folder = Path(folder).resolve()
    if (held := held_here(folder)) is not None:
        yield held
        return
    with _patient_lock(folder, patience) as lock:
        key = os.getpid(), threading.get_ident(), folder
        _held[key] = lock
        try:
            yield lock
        finally:
            del _held[key]


def _patient_lock(folder, patience):
    deadline = time.monotonic() + patience
    while True:
        try:
            return Lock(folder)
        except FileExistsError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(MOMENT)


def held_here(folder):
    """Return the lock of a folder that this thread holds, or None."""
    return _held.get((os.getpid(), threading.get_ident(), folder))


def _lock(file):
    """Lock a file: True if it is ours, False if the system has no such locks, None if it is not."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True


def _unlock(file):
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_UN)


def _is_at(file, path):
    """Say if an open file still has its name: its last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _read(file):
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, MOST_BYTES)


def _write(file, signed):
    os.ftruncate(file, 0)
    if signed:
        owner = Owner.here()
        content = {"pid": owner.pid, "host": platform.node(), "owner": str(owner)}
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(content).encode())


def _fields(content):
    """Return process id, host and owner that a lock names; empty texts where it names none."""
    try:
        found = json.loads(content)
        return tuple(str(found[name]) for name in ("pid", "host", "owner"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", "", ""
