"""The command line: `python -m skdict`."""

import os
import signal
import sys
from contextlib import contextmanager

INTERRUPTED = 130


def main(arguments=None):
    """Run one command and return its exit code: 0 done, 1 failed, 130 interrupted."""
    with _interruptible():
        # This import takes seconds, during which Ctrl-C would print a traceback.
        from skdict._cli._commands import run_command
    return run_command(arguments)


def run():
    """Run the command in `sys.argv` and return its exit code."""
    # Escape characters that the terminal's encoding lacks instead of failing on them.
    sys.stdout.reconfigure(errors="backslashreplace")
    code = main()
    # The work is done, so Ctrl-C during shutdown may end the process at once.
    signal.signal(signal.SIGINT, _leave)
    return code


@contextmanager
def _interruptible():
    """Exit immediately on Ctrl-C while there is nothing to clean up."""
    try:
        before = signal.signal(signal.SIGINT, _leave)
    except ValueError:
        # Signal handlers can be set in the main thread only.
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
