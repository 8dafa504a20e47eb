"""A language model that knows one thing, as a function and behind the protocol of OpenAI."""

import json
import math
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from skdict.interpretation.llm import Completion, Request

UNKNOWN = "unknown"


class Reader:
    """Explain by the strongest token, and simulate by the token named, at its level.

    It reads nothing but what it is asked, as a language model does. Levels come as the
    log-probabilities 3/4 at the level and 1/4 at 0, so that 10 is expected to be 7.5.
    """

    identity = "reader"

    def __init__(self):
        self.asked = []
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.asked.append(request)
        last = request.messages[-1][1]
        if last.startswith("Feature") and "Say what" in last:
            return Completion(f"Fires on: the token {strongest(last)!r}", None, 100, 10)
        named = re.findall(r"Fires on: the token '(.*?)'\n", request.text)[-1]
        if request.slots:
            found = [self.logprobs(request.text, at, named) for at in request.slots]
            return Completion("", tuple(found), 100, 0)
        if request.json:
            tokens = [line.split("\t")[1] for line in last.splitlines() if "\t" in line]
            levels = [10 if token == named else 0 for token in tokens]
            return Completion(json.dumps({"levels": levels}), None, 100, 30)
        token = re.search(r"Last token: (.*)\nLevel:\t$", last, re.S)[1]
        return Completion("10", (expecting(10 if token == named else 0),), 100, 1)

    def logprobs(self, text, at, named):
        """Return the candidates at a slot, whose line begins with its token."""
        assert text[at : at + len(UNKNOWN)] == UNKNOWN
        line = text[text.rindex("\n", 0, at) + 1 : at - 1]
        return expecting(10 if line == named else 0)


def explain_and_judge(request):
    """Explain by the strongest word w0, w1 ...; say yes where it stands, marked where any is.

    Without an explanation the intruder is the piece whose marked tokens no other has.
    """
    last = request.messages[-1][1]
    if "Say what" in last:
        return Completion(f"Fires on:{strongest(last)}", None, 100, 10)
    said, *pieces = last.split("\n") if last.startswith("Fires on:") else ["", *last.split("\n")]
    marked = [set(" ".join(re.findall("<<(.*?)>>", piece)).split()) for piece in pieces]
    if not said:
        others = [set().union(*marked[:i], *marked[i + 1 :]) for i in range(len(marked))]
        found = [i for i, own in enumerate(marked) if not own & others[i]]
        return Completion(json.dumps({"intruder": found[0] + 1}), None, 100, 5)
    word = re.search(r"w\d+", said)[0]
    if any(marked):
        answers = [int(word in own) for own in marked]
    else:
        answers = [int(f" {word} " in f"{piece[:-1]} ") for piece in pieces]
    return Completion(json.dumps({"answers": answers}), None, 100, 5)


def expecting(level):
    """Return log-probabilities of a level three times as likely as 0, and of other words."""
    if not level:
        return {"0": math.log(0.5), "zero": math.log(0.5)}
    return {str(level): math.log(0.6), "0": math.log(0.2), UNKNOWN: math.log(0.2)}


def strongest(prompt):
    """Return the token of the largest level in a prompt that asks for an explanation."""
    lines = [line.split("\t") for line in prompt.splitlines() if "\t" in line]
    return max(lines, key=lambda line: int(line[1]))[0]


@contextmanager
def openai_server(model, faults=()):
    """Serve a function from requests to completions on a port of this machine.

    Parameters
    ----------
    model : callable
        The language model.
    faults : list
        Taken from the front, one for each request, before the model is asked: an HTTP status, a
        (status, body) pair, bytes to send as they are, a function of the handler that sends
        something itself, or None for no fault.

    Yields
    ------
    (str, list of dict)
        The address, and the requests as they come: path, body and headers.
    """
    seen, faults, lock = [], list(faults), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                seen.append(
                    {
                        "path": self.path,
                        "body": body,
                        "headers": {k.lower(): v for k, v in self.headers.items()},
                    }
                )
                fault = faults.pop(0) if faults else None
            if fault is None:
                self.reply(200, json.dumps(answer(model, self.path, body)).encode())
            elif isinstance(fault, bytes):
                self.reply(200, fault)
            elif callable(fault):
                fault(self)
            else:
                status, text = fault if isinstance(fault, tuple) else (fault, "a fault")
                self.reply(status, json.dumps({"error": {"message": text}}).encode())

        def reply(self, status, content):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(model, path, body):
    """Return the body of a reply by the protocol."""
    if path.endswith("/chat/completions"):
        messages = tuple((m["role"], m["content"]) for m in body["messages"])
        is_json = body.get("response_format", {}).get("type") == "json_object"
        request = Request(messages, json=is_json, top_logprobs=body.get("top_logprobs", 0))
        found = model(request)
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
        choice["message"] = {"role": "assistant", "content": found.text}
        if body.get("logprobs") and found.logprobs is not None:
            choice["logprobs"] = {"content": [_chat_top(top) for top in found.logprobs]}
        kind = "chat.completion"
    else:
        slots = tuple(m.start() for m in re.finditer(r"(?<=\t)unknown(?=\n|$)", body["prompt"]))
        found = model(Request((("user", body["prompt"]),), slots=slots))
        choice = {"index": 0, "finish_reason": "stop", "text": body["prompt"]}
        choice["logprobs"] = _echoed(body["prompt"], slots, found.logprobs)
        kind = "text_completion"
    usage = {"prompt_tokens": found.n_prompt_tokens, "completion_tokens": found.n_reply_tokens}
    usage["total_tokens"] = sum(usage.values())
    return {"id": "1", "object": kind, "created": 0, "model": "m", "choices": [choice],
            "usage": usage}  # fmt: skip


def _chat_top(top):
    tops = [{"token": t, "logprob": p, "bytes": None} for t, p in top.items()]
    return {"token": tops[0]["token"], "logprob": 0.0, "bytes": None, "top_logprobs": tops}


def _echoed(prompt, slots, logprobs):
    """Return the tokens of a prompt, cut at whitespace and slots."""
    at = dict(zip(slots, logprobs or (), strict=False))
    offsets = sorted({0, *slots, *(m.start() for m in re.finditer(r"\s", prompt))})
    tokens = [prompt[a:b] for a, b in zip(offsets, [*offsets[1:], None], strict=True)]
    tops = [None if i == 0 else at.get(o, {"x": -1.0}) for i, o in enumerate(offsets)]
    return {"tokens": tokens, "text_offset": offsets, "top_logprobs": tops,
            "token_logprobs": [None, *[-1.0] * (len(tokens) - 1)]}  # fmt: skip
