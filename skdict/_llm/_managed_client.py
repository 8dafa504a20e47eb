"""A client that remembers, waits and tries again, and stops when the budget is spent."""

import json
import math
import threading
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor

from skdict._llm._callable_client import CallableClient
from skdict._llm._completion_check import check_completion
from skdict._llm._errors import BudgetSpentError, ClientError
from skdict._llm._reply_cache import ReplyCache, ReplyMemory, request_key
from skdict._validation import check_number

# Seconds before a retry, whatever an endpoint asks for.
LONGEST_WAIT = 60.0


class ManagedClient:
    """Put a cache, a budget, retries and threads around a client.

    One object may serve explainer, simulator and judges: they then share cache and budget.
    Clones share it, too. Clients that are passed without one get one with the defaults.

    Parameters
    ----------
    client : client or callable
        With one method, ``complete(request)``, from a `Request` to a `Completion`; or a function
        that does so, or returns a str.
    cache_dir : str, path or None, default=None
        Folder of replies, keyed by what was asked of which model. What is there is not asked
        again: a run that stopped goes on without paying twice. A client or function of your
        own must have an attribute `identity` that tells its model from others and fits in JSON.
        A file that is damaged, or of another question, counts as absent. None keeps replies to
        questions of temperature 0 in memory, up to about 64 MB.
    max_calls : int or None, default=None
        Most calls, those answered from the cache left out.
    max_tokens : int or None, default=None
        Most tokens, of prompts and replies together. No call is begun once they are used; calls
        under way are finished.
    max_retries : int, default=5
        How often a call is tried again after too many requests (429), an error of the server
        (5xx), a lost connection or a timeout.
    backoff : float, default=1.0
        Seconds before the first retry; doubled for each further one, up to a minute. An endpoint
        that asks to wait longer is obeyed, up to a minute: beyond, a warning names what it asked.
    n_threads : int, default=4
        Calls under way at a time.

    Attributes
    ----------
    n_calls, n_cached, n_tokens, n_retries : int
        What was asked and paid for, answered from the cache, and tried again, so far. A question
        asked by several threads at a time is paid for once; a reply that cannot be used counts
        as a call.

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
        """Return the cache of a folder, for a client that is told from others."""
        identity = getattr(self.client, "identity", None)
        if identity is None:
            raise ValueError(
                f"nothing tells {self.client!r} from other models, so its replies cannot be kept "
                f"in cache_dir; give it an attribute identity, such as the name and version of "
                f"the model"
            )
        try:
            json.dumps(identity)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"the identity {identity!r} of the client does not fit in JSON ({error}); make it "
                f"a str, a number or a list of them, or pass cache_dir=None"
            ) from None
        return ReplyCache(self.cache_dir, identity)

    def _begin(self):
        """Set what belongs to this process: locks, and the questions under way."""
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
        """Let the client check what it needs, such as a key, before anything is asked.

        Raises
        ------
        ImportError, ClientError
            As the client raises them.
        """
        if hasattr(self.client, "check"):
            self.client.check()

    def complete(self, request):
        """Return the reply, from the cache or from the client.

        Parameters
        ----------
        request : Request
            The question.

        Returns
        -------
        Completion
            The reply, or the log-probabilities asked for.

        Raises
        ------
        BudgetSpentError
            If the budget is used up.
        ClientError
            If there is no reply after all retries.
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
        """Return the reply of the cache, or else of the client, counted and kept."""
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
        """Return what a function gives for each item, several at a time.

        Parameters
        ----------
        function : callable
            Of one item.
        items : iterable
            What it is called on.

        Returns
        -------
        list
            In the order of the items.
        """
        broken = threading.Event()

        def unless_broken(item):
            if broken.is_set():
                return None
            try:
                return function(item)
            except BaseException:
                # Nothing more is asked: the error ends the run.
                broken.set()
                raise

        with ThreadPoolExecutor(self.n_threads) as pool:
            return list(pool.map(unless_broken, items))

    def _reserve(self):
        """Count a call before it is begun, so that threads together keep to the budget."""
        with self._lock:
            if self.max_calls is not None and self.n_calls >= self.max_calls:
                raise BudgetSpentError(f"the budget of {self.max_calls} calls is spent")
            if self.max_tokens is not None and self.n_tokens >= self.max_tokens:
                raise BudgetSpentError(f"the budget of {self.max_tokens} tokens is spent")
            self.n_calls += 1

    def _persist(self, request):
        """Ask, and ask again while that may help."""
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
        """Return the seconds to wait, and warn once where the endpoint asks for more."""
        wait = min(LONGEST_WAIT, self.backoff * 2.0 ** min(attempt, 60))
        if not isinstance(asked, (int, float)) or math.isnan(asked):
            return wait
        if asked > LONGEST_WAIT:
            with self._lock:
                told, self._warned = self._warned, True
            if not told:
                warnings.warn(
                    f"the endpoint asks to wait {asked:.0f} s; at most {LONGEST_WAIT:.0f} s are "
                    f"waited before each of {self.max_retries} retries",
                    stacklevel=2,
                )
        return max(wait, min(asked, LONGEST_WAIT))


def managed(client):
    """Return a client as a `ManagedClient`, or refuse what is none (`TypeError`)."""
    return client if isinstance(client, ManagedClient) else ManagedClient(client)


def _from_callable(client):
    if not callable(client):
        raise TypeError(
            f"client={client!r} is not accepted: pass an object with complete(request), such as "
            f"OpenAIClient or TransformersClient, or a function from a Request to a str"
        )
    return CallableClient(client)
