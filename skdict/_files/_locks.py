"""Locks that admit one writer at a time to a folder.

The lock is a file next to the folder, ``.<name>.lock``, which the kernel locks. The kernel releases
it however the holder ends, and knows the holders in every PID namespace. The file also names its
holder, for messages and for machines that share the disk but not the kernel's locks.
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
except ImportError:  # On Windows only the name of the holder decides.
    fcntl = None

MOST_BYTES = 4096
# Time for another process to write its name, or for a reader to finish cleaning up.
MOMENTS, MOMENT = 20, 0.05
UNSUPPORTED = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}
_held = {}


class Lock:
    """Exclusive right to write to a folder, held until `close`.

    Parameters
    ----------
    folder : str or path
        Folder to lock, which need not exist; its parent is created if necessary.
    signed : bool, default=True
        If True, name this process in the lock. Locks held only for a moment are not signed; other
        processes wait for those.

    Attributes
    ----------
    by_kernel : bool
        True if the kernel holds the lock, which rules out other holders on this machine.

    Raises
    ------
    FileExistsError
        If another process holds the lock, or may hold it.
    OSError
        If the lock file cannot be written.
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
        """Release the lock."""
        # A forked process has a copy of the open file, but must not release its parent's lock.
        if self._file is None or self._pid != os.getpid():
            return
        # An error here must not hide one that was raised earlier.
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
        """Return the open lock or None, whether the kernel holds it, and the file's content."""
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
                # Create it again, so that only one of several processes that see it free succeeds.
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
            raise FileExistsError(f"{str(self.path)!r} is not a skdict lock file; remove it")
        return file, False

    def _is_free(self, content, by_kernel):
        """Return True if the process that left the lock has terminated."""
        owner = Owner.parse(_fields(content)[2])
        if owner is None:
            # An empty file that nobody locks belonged to a process killed before it signed.
            return by_kernel and not content
        return owner.is_gone(holds_lock=by_kernel)

    def _told(self, content):
        pid, host, _ = _fields(content or b"")
        who = f"process {pid} on {host}" if pid else "another process"
        return (
            f"{who} is writing to {str(self.folder)!r}; wait for it to finish, choose another "
            f"folder or, if it is no longer running, remove {str(self.path)!r}"
        )


def lock_path(folder):
    """Return the path of the lock file of a folder."""
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def locked(folder, *, patience=0.0):
    """Hold the lock of a folder; reuse it if this thread holds it already.

    Parameters
    ----------
    folder : str or path
        Folder to lock, which need not exist.
    patience : float, default=0.0
        Time to wait for another process, in seconds.

    Yields
    ------
    Lock

    Raises
    ------
    FileExistsError
        If another process holds the lock.
    OSError
        If the lock cannot be acquired, for example on a read-only file system.
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
    """Try to lock a file; return True on success, None if it is taken, False if unsupported."""
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
    """Return True if an open file is still at its path; its last holder may have removed it."""
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
    """Return the process id, host and owner named in a lock, or empty strings."""
    try:
        found = json.loads(content)
        return tuple(str(found[name]) for name in ("pid", "host", "owner"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", "", ""
