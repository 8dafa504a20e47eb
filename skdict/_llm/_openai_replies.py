"""Replies by the protocol of OpenAI, read into completions."""

from skdict._llm._requests import Completion


def read_chat(request, reply):
    """Return the completion of a reply to messages."""
    choice, found = reply.choices[0], None
    if request.top_logprobs:
        content = (choice.logprobs and choice.logprobs.content) or ()
        found = tuple({t.token: t.logprob for t in at.top_logprobs} for at in content)
    return _completion(request, choice.message.content, found, reply.usage)


def read_text(request, reply):
    """Return the completion of a reply to one text, or what could stand at its slots."""
    choice, found = reply.choices[0], None
    if request.slots or request.top_logprobs:
        tops = (choice.logprobs and choice.logprobs.top_logprobs) or ()
        found = tuple(dict(top or {}) for top in tops)
    if request.slots:
        offsets = (choice.logprobs and choice.logprobs.text_offset) or ()
        at = dict(zip(offsets, found, strict=False))
        found = tuple(at.get(slot) for slot in request.slots)
        return _completion(request, "", found, reply.usage)
    text = choice.text
    if text is None or isinstance(text, str):
        text = request.prefix + (text or "")
    return _completion(request, text, found, reply.usage)


def _completion(request, text, logprobs, usage):
    text = "" if text is None else text
    if isinstance(text, str):
        # Half a character, which JSON can hold, would fail wherever it is written.
        text = text.encode("utf-8", errors="replace").decode("utf-8")
    counts = (
        _count(usage, "prompt_tokens", sum(len(content) for _, content in request.messages)),
        _count(usage, "completion_tokens", len(text) if isinstance(text, str) else 0),
    )
    return Completion(text, logprobs, *counts)


def _count(usage, name, n_characters):
    """Return the tokens used, or about as many as there are where the endpoint does not say."""
    count = getattr(usage, name, None)
    return -(-n_characters // 4) if count is None else count
