"""Which process something belongs to, and if that process is gone.

A process id alone says little: ids are used again, every container has a process 1, and another
machine that shares the disk counts its own. So a process is named by its machine, the boot of that
machine, the PID namespace, its id and the time it started.
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
    """A process.

    Parameters
    ----------
    host : str
        Hash of the machine's name and id.
    boot : str
        Hash of the id of its boot; of the machine where the system has none, so that only
        processes of one machine compare.
    space : str
        Hash of the PID namespace.
    pid : int
        Process id in that namespace.
    start : int
        Clock ticks from boot to the start of the process; 0 where the system does not tell.
    """

    host: str
    boot: str
    space: str
    pid: int
    start: int

    @classmethod
    def here(cls):
        """Return this process."""
        return cls(*_machine(), _space(), os.getpid(), _start_of("self") or 0)

    @classmethod
    def parse(cls, token):
        """Return the process of a token, or None if it is not one."""
        if not re.fullmatch(TOKEN, token):
            return None
        *place, pid, start = token.split("-")
        return cls(*place, int(pid), int(start))

    def __str__(self):
        return "-".join(map(str, astuple(self)))

    def is_gone(self, *, holds_lock):
        """Say if this process certainly no longer runs; what cannot be known counts as running.

        Parameters
        ----------
        holds_lock : bool
            True if the caller holds a lock of the kernel that this process would hold if it
            still ran. That settles the matter in every namespace of one boot, and after a restart
            of the machine.
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
    """Say if a process of this id and start time may run in this namespace."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    found = _start_of(pid)
    return not (start and found is not None) or found == start


def _start_of(pid):
    """Return the start time of a process, -1 for one that is dead but not yet reaped, or None."""
    try:
        # In a new namespace /proc may still be that of the old one, with other ids.
        if os.readlink("/proc/self") != str(os.getpid()) and pid != "self":
            return None
        # The name of the program comes second, in brackets, and may hold anything.
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
