"""Caches of replies by request, on disk and in memory."""

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path

from skdict._files import read_json, replace_file
from skdict._llm._completion_check import check_completion
from skdict._llm._errors import ClientError
from skdict._llm._requests import Completion

MOST_MEMORY_BYTES = 2**26


class ReplyCache:
    """Cache on disk with one JSON file per reply.

    A file contains the model, the request, the reply and a hash. It is ignored if it is damaged,
    belongs to another model or request, or contains a value of the wrong type.

    Parameters
    ----------
    folder : str or path
        Folder of the cache, created when the first reply is stored.
    identity : object
        JSON-serialisable value that distinguishes the model from others.
    """

    def __init__(self, folder, identity):
        self.folder = Path(folder).expanduser()
        self._identity = json.loads(json.dumps(identity))

    def get(self, request):
        """Return the cached reply to a request, or None."""
        asked = self._asked(request)
        try:
            content = read_json(self._path(_digest(asked)), finite=False)
            if content.pop("sha256") != _digest(content) or content.pop("asked") != asked:
                return None
            completion = Completion(**content.pop("completion"))
            # JSON turns the tuples of completions into lists.
            logprobs = completion.logprobs and tuple(completion.logprobs)
            return check_completion(Completion(**asdict(completion) | {"logprobs": logprobs}))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ClientError):
            return None

    def put(self, request, completion):
        """Store a reply, together with the request in readable form."""
        content = {"asked": self._asked(request), "completion": asdict(completion)}
        path = self._path(_digest(content["asked"]))
        content["sha256"] = _digest(content)
        replace_file(path, json.dumps(content, ensure_ascii=True, indent=1).encode())

    def _asked(self, request):
        # The round trip through JSON makes the request comparable with a stored one.
        request = json.loads(json.dumps(request.as_dict()))
        return {"model": self._identity, "request": request}

    def _path(self, key):
        return self.folder / key[:2] / f"{key}.json"


class ReplyMemory:
    """Cache in memory for one process, which evicts the oldest replies when full.

    Replies at a positive temperature are random samples and are not cached.
    """

    def __init__(self):
        self._replies, self._n_bytes = OrderedDict(), 0
        self._lock = threading.Lock()

    def __reduce__(self):
        # In another process the cache starts empty.
        return ReplyMemory, ()

    def get(self, request):
        """Return the cached reply to a request, or None."""
        with self._lock:
            return self._replies.get(request_key(request))

    def put(self, request, completion):
        """Store a reply."""
        key = request_key(request)
        with self._lock:
            if request.temperature > 0 or key in self._replies:
                return
            self._replies[key] = completion
            self._n_bytes += _size(key, completion)
            while self._n_bytes > MOST_MEMORY_BYTES:
                self._n_bytes -= _size(*self._replies.popitem(last=False))


def request_key(request):
    """Return a text that identifies a request."""
    return json.dumps(request.as_dict(), sort_keys=True)


def _digest(content):
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _size(key, completion):
    """Return the approximate size in bytes of a request and its reply."""
    n_logprobs = sum(len(at or ()) for at in completion.logprobs or ())
    return len(key) + len(completion.text) + 100 * n_logprobs + 500
