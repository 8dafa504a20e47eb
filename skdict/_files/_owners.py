"""Identify the process that owns a file, and check whether it is still running.

A process id is not enough: ids are reused, every container has a process 1, and other machines that
share the disk have their own. A process is therefore identified by its machine, the boot of that
machine, the PID namespace, its id and its start time.
"""

import hashlib
import os
import platform
import re
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

TOKEN = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-\d{1,10}-\d{1,20}"


@dataclass(frozen=True)
class Owner:
    """Identity of a process.

    Parameters
    ----------
    host : str
        Hash of the machine's name and id.
    boot : str
        Hash of the boot id, or of the machine if the system has no boot id, so that only
        processes of the same machine can match.
    space : str
        Hash of the PID namespace.
    pid : int
        Process id in that namespace.
    start : int
        Clock ticks from boot to the start of the process; 0 if the system does not report it.
    """

    host: str
    boot: str
    space: str
    pid: int
    start: int

    @classmethod
    def here(cls):
        """Return the identity of this process."""
        return cls(*_machine(), _space(), os.getpid(), _start_of("self") or 0)

    @classmethod
    def parse(cls, token):
        """Return the identity written as a token, or None if the text is not a token."""
        if not re.fullmatch(TOKEN, token):
            return None
        *place, pid, start = token.split("-")
        return cls(*place, int(pid), int(start))

    def __str__(self):
        return "-".join(map(str, astuple(self)))

    def is_gone(self, *, holds_lock):
        """Return True if this process has certainly terminated, False if in doubt.

        Parameters
        ----------
        holds_lock : bool
            If True, the caller holds a kernel lock that this process would hold if it were still
            running. That is conclusive in every namespace of the same boot, and after a restart of
            the machine.
        """
        here = Owner.here()
        if holds_lock:
            return self.boot == here.boot or self.host == here.host
        same_space = (self.host, self.boot, self.space) == (here.host, here.boot, here.space)
        return same_space and not _runs(self.pid, self.start)


@cache
def _machine():
    """Return hashes of this machine and of its boot."""
    host = platform.node() + _content("/etc/machine-id")
    boot = _content("/proc/sys/kernel/random/boot_id")
    return _short(host), _short(boot or host)


def _space():
    try:
        return _short(os.readlink("/proc/self/ns/pid"))
    except OSError:
        return _short("")


def _runs(pid, start):
    """Return True if a process with this id and start time may be running in this namespace."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    found = _start_of(pid)
    return not (start and found is not None) or found == start


def _start_of(pid):
    """Return the start time of a process, -1 for a zombie, or None if unknown."""
    try:
        # In a new namespace /proc may still show the old one, with other ids.
        if os.readlink("/proc/self") != str(os.getpid()) and pid != "self":
            return None
        # The second field is the program's name in brackets, which may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if fields[0] in "ZX" else int(fields[19])


def _content(path):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _short(text):
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
