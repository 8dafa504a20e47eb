"""HTTP connections whose replies are bounded in size and time."""

import importlib
import time

from skdict._llm._errors import TooLargeError

MOST_BYTES = 2**25


def bounded_client(client_class, seconds):
    """Return an HTTP client whose replies are bounded in size and time.

    Parameters
    ----------
    client_class : type
        Client class of httpx, or of the package with the same interface that openai uses.
    seconds : float
        Maximum time to wait for a reply to start, and again for its body to end.

    Returns
    -------
    httpx.Client
        Client with bounded replies.
    """
    base = next(c for c in client_class.__mro__ if c.__name__ == "Client")
    package = importlib.import_module(base.__module__.split(".")[0])

    class BoundedStream(package.SyncByteStream):
        """Reply body that raises if it is too long or takes too long."""

        def __init__(self, stream):
            self.stream, self.close = stream, stream.close

        def __iter__(self):
            return _bounded(self.stream, seconds, package.ReadTimeout)

    def bound(response):
        # A few compressed kilobytes could expand to gigabytes.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise TooLargeError("the reply is compressed although no compression was requested")
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
            raise TooLargeError(f"the reply is larger than {MOST_BYTES // 2**20} MiB")
        if time.monotonic() > end:
            raise timeout_class(f"the reply took more than {seconds} s to arrive")
        yield part
