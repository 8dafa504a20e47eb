"""Replies over HTTP that may take neither all memory nor all time."""

import importlib
import time

from skdict._llm._errors import TooLargeError

MOST_BYTES = 2**25


def bounded_client(client_class, seconds):
    """Return a connection whose replies are bounded in size and time.

    Parameters
    ----------
    client_class : type
        A client of httpx, or of the package of the same interface that the openai package uses.
    seconds : float
        Most time to wait for a reply, and again for all of its body.

    Returns
    -------
    httpx.Client
    """
    base = next(c for c in client_class.__mro__ if c.__name__ == "Client")
    package = importlib.import_module(base.__module__.split(".")[0])

    class BoundedStream(package.SyncByteStream):
        """The body of a reply, refused where it is too long or takes too long."""

        def __init__(self, stream):
            self.stream, self.close = stream, stream.close

        def __iter__(self):
            return _bounded(self.stream, seconds, package.ReadTimeout)

    def bound(response):
        # A few kilobytes could unfold to gigabytes.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise TooLargeError("the reply is compressed, which was not asked for")
        response.stream = BoundedStream(response.stream)

    return client_class(
        timeout=seconds,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
    )


def _bounded(parts, seconds, timeout_class):
    n_bytes, end = 0, time.monotonic() + seconds
    for part in parts:
        n_bytes += len(part)
        if n_bytes > MOST_BYTES:
            raise TooLargeError(f"the reply has more than {MOST_BYTES // 2**20} MiB")
        if time.monotonic() > end:
            raise timeout_class(f"the reply took more than {seconds} s to arrive")
        yield part
