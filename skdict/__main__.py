"""The command line: `python -m skdict`."""

import os
import signal
import sys
from contextlib import contextmanager

INTERRUPTED = 130


def main(arguments=None):
    """Run one command and return its exit code: 0 done, 1 failed, 130 interrupted."""
    with _interruptible():
        # Takes seconds, in which Ctrl-C would end in a traceback from anywhere.
        from skdict._cli._commands import run_command
    return run_command(arguments)


def run():
    """Run the command that the process was started with, and return its exit code."""
    # A terminal that lacks a character shows its number.
    sys.stdout.reconfigure(errors="backslashreplace")
    code = main()
    # Nothing is left to be interrupted but the end of the process.
    signal.signal(signal.SIGINT, _leave)
    return code


@contextmanager
def _interruptible():
    """Leave at once on Ctrl-C, while nothing is under way that has to be tidied up."""
    try:
        before = signal.signal(signal.SIGINT, _leave)
    except ValueError:
        # Not the main thread, which alone is interrupted.
        yield
        return
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, before)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(number, frame):
    os.write(2, b"skdict: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(run())
