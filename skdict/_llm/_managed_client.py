"""Client with a cache, a budget, retries and threads."""

import json
import math
import os
import threading
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

from skdict._llm._callable_client import CallableClient
from skdict._llm._completion_check import check_completion
from skdict._llm._errors import BudgetSpentError, ClientError
from skdict._llm._reply_cache import ReplyCache, ReplyMemory, request_key
from skdict._validation import check_number

# Maximum time to wait before a retry, in seconds, whatever an endpoint requests.
LONGEST_WAIT = 60.0


class ManagedClient:
    """Client wrapper that adds a cache, a budget, retries and threads.

    One instance can be shared by explainers, simulators and judges, which then share its cache
    and budget; clones share them as well. Clients passed elsewhere without this wrapper are
    wrapped with the default settings.

    Parameters
    ----------
    client : client or callable
        Object with a method ``complete(request)`` from a `Request` to a `Completion`, or a
        function from a `Request` to a `Completion` or a str.
    cache_dir : str, path or None, default=None
        Folder in which replies are cached by model and request. A cached request is not sent
        again, so an interrupted run resumes without paying twice. A user-defined client or
        function must have an attribute `identity` that distinguishes its model from others and
        can be stored as JSON. Damaged files and files for other requests are ignored. If None,
        replies to requests at temperature 0 are kept in memory, up to about 64 MB.
    max_calls : int or None, default=None
        Maximum number of calls; replies from the cache do not count.
    max_tokens : int or None, default=None
        Maximum number of tokens in prompts and replies together. No call is started once they
        are used up; calls in progress are completed.
    max_retries : int, default=5
        Maximum number of retries of a call after too many requests (429), a server error (5xx),
        a lost connection or a timeout.
    backoff : float, default=1.0
        Seconds to wait before the first retry. The waiting time doubles with each retry, up to 60
        seconds. If the endpoint requests a longer wait, that is used, up to 60 seconds; a warning
        reports requests beyond that.
    n_threads : int, default=4
        Maximum number of concurrent calls.

    Attributes
    ----------
    n_calls, n_cached, n_tokens, n_retries : int
        Number of calls sent, replies taken from the cache, tokens used and retries so far. A
        request made by several threads at once is sent only once. A call whose reply cannot be
        used counts as a call.

    Examples
    --------
    >>> from skdict.interpretation.llm import ManagedClient, Request
    >>> client = ManagedClient(lambda request: "yes", max_calls=1)
    >>> client.complete(Request((("user", "Is it?"),))).text
    'yes'
    """

    def __init__(
        self,
        client,
        *,
        cache_dir=None,
        max_calls=None,
        max_tokens=None,
        max_retries=5,
        backoff=1.0,
        n_threads=4,
    ):
        for name, value in (("max_calls", max_calls), ("max_tokens", max_tokens)):
            if value is not None:
                check_number(name, value, low=0, integer=True)
        check_number("max_retries", max_retries, low=0, integer=True)
        check_number("backoff", backoff, low=0)
        check_number("n_threads", n_threads, low=1, integer=True)
        self.client = client if hasattr(client, "complete") else _from_callable(client)
        self.cache_dir = cache_dir
        self.max_calls, self.max_tokens = max_calls, max_tokens
        self.max_retries, self.backoff, self.n_threads = max_retries, backoff, n_threads
        self.n_calls = self.n_cached = self.n_tokens = self.n_retries = 0
        memory = getattr(self.client, "memory", None) or ReplyMemory()
        self._cache = memory if cache_dir is None else self._folder()
        self._begin()

    def _folder(self):
        """Return a cache on disk for a client that has an identity."""
        if not isinstance(self.cache_dir, (str, os.PathLike)):
            raise TypeError(
                f"cache_dir={self.cache_dir!r} is not accepted: pass a str or pathlib.Path, or None"
            )
        identity = getattr(self.client, "identity", None)
        if identity is None:
            raise ValueError(
                f"{self.client!r} has no identity, so its replies cannot be stored in cache_dir; "
                f"give it an attribute identity, such as the name and version of the model, or "
                f"pass cache_dir=None"
            )
        try:
            json.dumps(identity)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"the identity {identity!r} of the client cannot be stored as JSON ({error}); make "
                f"it a str, a number or a list of them, or pass cache_dir=None"
            ) from None
        return ReplyCache(self.cache_dir, identity)

    def _begin(self):
        """Create the state that is local to a process: locks and requests in progress."""
        self._lock, self._asking, self._warned = threading.Lock(), {}, False

    def __repr__(self):
        return (
            f"ManagedClient({self.client!r}, cache_dir={self.cache_dir!r}, "
            f"max_calls={self.max_calls}, max_tokens={self.max_tokens})"
        )

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        own = ("_lock", "_asking", "_warned")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state):
        vars(self).update(state)
        self._begin()

    def check(self):
        """Run the client's own checks, such as for an API key, before any request is sent.

        Raises
        ------
        ImportError, ClientError
            If the client's check fails.
        """
        if hasattr(self.client, "check"):
            self.client.check()

    def complete(self, request):
        """Return the reply to a request, from the cache or from the client.

        Parameters
        ----------
        request : Request
            Request to answer.

        Returns
        -------
        Completion
            Reply, or the requested log-probabilities.

        Raises
        ------
        BudgetSpentError
            If the budget is spent.
        ClientError
            If no reply is received after all retries.
        """
        key = request_key(request)
        with self._lock:
            asking = self._asking.get(key)
            if asking is None:
                mine = self._asking[key] = Future()
            else:
                self.n_cached += 1
        if asking is not None:
            return asking.result()
        try:
            completion = self._kept_or_paid(request)
            mine.set_result(completion)
            return completion
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._asking[key]

    def _kept_or_paid(self, request):
        """Return the reply from the cache, or else from the client; count and cache it."""
        found = self._cache.get(request)
        if found is not None:
            with self._lock:
                self.n_cached += 1
            return found
        self._reserve()
        try:
            completion = self._persist(request)
        except BaseException as error:
            if not getattr(error, "paid", False):
                with self._lock:
                    self.n_calls -= 1
            raise
        with self._lock:
            self.n_tokens += completion.n_prompt_tokens + completion.n_reply_tokens
        self._cache.put(request, completion)
        return completion

    def map(self, function, items):
        """Apply a function to each item, several at a time.

        Parameters
        ----------
        function : callable
            Function of one item.
        items : iterable
            Arguments of the function.

        Returns
        -------
        list
            Results in the order of `items`.
        """
        broken = threading.Event()

        def unless_broken(item):
            if broken.is_set():
                return None
            try:
                return function(item)
            except BaseException:
                # The error ends the run, so the remaining items are skipped.
                broken.set()
                raise

        with ThreadPoolExecutor(self.n_threads) as pool:
            return list(pool.map(unless_broken, items))

    def _reserve(self):
        """Count a call before it starts, so that concurrent threads stay within the budget."""
        with self._lock:
            if self.max_calls is not None and self.n_calls >= self.max_calls:
                raise BudgetSpentError(f"the budget of {self.max_calls} calls is spent")
            if self.max_tokens is not None and self.n_tokens >= self.max_tokens:
                raise BudgetSpentError(f"the budget of {self.max_tokens} tokens is spent")
            self.n_calls += 1

    def _persist(self, request):
        """Send a request, with retries after transient errors."""
        for attempt in range(self.max_retries + 1):
            try:
                return check_completion(self.client.complete(request))
            except ClientError as error:
                if not error.transient or attempt == self.max_retries:
                    raise
                wait = self._wait(attempt, error.retry_after)
            with self._lock:
                self.n_retries += 1
            time.sleep(wait)

    def _wait(self, attempt, asked):
        """Return the seconds to wait; warn once if the endpoint requests more than the maximum."""
        wait = min(LONGEST_WAIT, self.backoff * 2.0 ** min(attempt, 60))
        if not isinstance(asked, (int, float)) or math.isnan(asked):
            return wait
        if asked > LONGEST_WAIT:
            with self._lock:
                told, self._warned = self._warned, True
            if not told:
                warnings.warn(
                    f"the endpoint asks to wait {asked:.0f} s; skdict waits at most "
                    f"{LONGEST_WAIT:.0f} s before each of {self.max_retries} retries",
                    stacklevel=2,
                )
        return max(wait, min(asked, LONGEST_WAIT))


def managed(client):
    """Return a client as a `ManagedClient`; raise TypeError if it is not a client."""
    return client if isinstance(client, ManagedClient) else ManagedClient(client)


def _from_callable(client):
    if not callable(client):
        raise TypeError(
            f"client={client!r} is not accepted: pass an object with complete(request), such as "
            f"OpenAIClient or TransformersClient, or a function from a Request to a str"
        )
    return CallableClient(client)
