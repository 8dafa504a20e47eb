"""Report progress and warnings of a command on standard error."""

import sys
import time
import warnings
from contextlib import contextmanager

from tqdm.auto import tqdm

from skdict._text import printable


class Clock:
    """Report progress with the time since the start, and warnings.

    Parameters
    ----------
    silent : bool
        If True, report warnings only.
    """

    def __init__(self, silent):
        self._silent, self._start = silent, time.perf_counter()

    def seconds(self):
        """Return the seconds since the start, rounded to a tenth."""
        return round(time.perf_counter() - self._start, 1)

    def say(self, what):
        """Report progress."""
        if not self._silent:
            print(f"[{self.seconds():5.1f} s] {printable(what)}", file=sys.stderr, flush=True)

    def warn(self, what):
        """Print a warning, even if progress is not reported."""
        print(f"skdict: warning: {printable(what)}", file=sys.stderr, flush=True)

    @contextmanager
    def python_warnings(self):
        """Print warnings of Python code inside the block in one line, beside progress bars."""

        def warn(message, *origin, **others):
            with tqdm.external_write_mode():
                self.warn(str(message))

        with warnings.catch_warnings():
            warnings.showwarning = warn
            yield


def duration(seconds):
    """Return a duration as text, such as "3 min 20 s"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
