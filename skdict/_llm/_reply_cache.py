"""Replies that were paid for, on disk or in memory, found by what was asked."""

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
    """A folder with one JSON file for each reply.

    A file holds the model and the question that it answers, and a hash; it counts as absent if it
    is damaged, of another model or question, or if a value in it is of another type.

    Parameters
    ----------
    folder : str or path
        Made when the first reply is kept.
    identity : object
        What tells the model from others; must fit in JSON.
    """

    def __init__(self, folder, identity):
        self.folder = Path(folder).expanduser()
        self._identity = json.loads(json.dumps(identity))

    def get(self, request):
        """Return the reply kept for a request, or None."""
        asked = self._asked(request)
        try:
            content = read_json(self._path(_digest(asked)), finite=False)
            if content.pop("sha256") != _digest(content) or content.pop("asked") != asked:
                return None
            completion = Completion(**content.pop("completion"))
            # JSON has lists where completions have tuples.
            logprobs = completion.logprobs and tuple(completion.logprobs)
            return check_completion(Completion(**asdict(completion) | {"logprobs": logprobs}))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ClientError):
            return None

    def put(self, request, completion):
        """Keep a reply, with the question beside it for people to read."""
        content = {"asked": self._asked(request), "completion": asdict(completion)}
        path = self._path(_digest(content["asked"]))
        content["sha256"] = _digest(content)
        replace_file(path, json.dumps(content, ensure_ascii=True, indent=1).encode())

    def _asked(self, request):
        # As JSON gives it back, to be compared.
        request = json.loads(json.dumps(request.as_dict()))
        return {"model": self._identity, "request": request}

    def _path(self, key):
        return self.folder / key[:2] / f"{key}.json"


class ReplyMemory:
    """The replies of one process, where there is no folder; the oldest make room for new ones.

    Replies to questions with a temperature are draws, and are not kept.
    """

    def __init__(self):
        self._replies, self._n_bytes = OrderedDict(), 0
        self._lock = threading.Lock()

    def __reduce__(self):
        # Another process begins with an empty one.
        return ReplyMemory, ()

    def get(self, request):
        """Return the reply kept for a request, or None."""
        with self._lock:
            return self._replies.get(request_key(request))

    def put(self, request, completion):
        """Keep a reply."""
        key = request_key(request)
        with self._lock:
            if request.temperature > 0 or key in self._replies:
                return
            self._replies[key] = completion
            self._n_bytes += _size(key, completion)
            while self._n_bytes > MOST_MEMORY_BYTES:
                self._n_bytes -= _size(*self._replies.popitem(last=False))


def request_key(request):
    """Return a text that tells a request from others."""
    return json.dumps(request.as_dict(), sort_keys=True)


def _digest(content):
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _size(key, completion):
    """Return about how many bytes a question and its reply take."""
    n_logprobs = sum(len(at or ()) for at in completion.logprobs or ())
    return len(key) + len(completion.text) + 100 * n_logprobs + 500
