"""Replies on disk, found by the content of what was asked."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from skdict._files import replace_file
from skdict.interpretation._client import Completion


class ReplyCache:
    """A folder with one JSON file for each reply.

    Parameters
    ----------
    folder : str or path
        Made when the first reply is kept.
    """

    def __init__(self, folder):
        self.folder = Path(folder).expanduser()

    def get(self, key):
        """Return the reply kept under a key, or None; a damaged file counts as none."""
        try:
            kept = json.loads(self._path(key).read_text(encoding="utf-8"))["completion"]
            return Completion(**kept)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key, request, completion):
        """Keep a reply, with the question beside it for people to read."""
        content = {"request": request.as_dict(), "completion": asdict(completion)}
        text = json.dumps(content, ensure_ascii=True, indent=1)
        replace_file(self._path(key), text.encode())

    def _path(self, key):
        return self.folder / key[:2] / f"{key}.json"


def request_key(client, request):
    """Return a hash of which model is asked, and what."""
    asked = json.dumps([client.identity, request.as_dict()], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(asked.encode()).hexdigest()
