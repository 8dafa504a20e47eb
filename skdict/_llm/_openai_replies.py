"""Conversion of OpenAI replies to completions."""

from skdict._llm._requests import Completion


def read_chat(request, reply):
    """Return the completion in a reply from the chat endpoint."""
    choice, found = reply.choices[0], None
    if request.top_logprobs:
        content = (choice.logprobs and choice.logprobs.content) or ()
        found = tuple({t.token: t.logprob for t in at.top_logprobs} for at in content)
    return _completion(request, choice.message.content, found, reply.usage)


def read_text(request, reply):
    """Return the completion, or the log-probabilities at slots, from the completions endpoint."""
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
        # JSON may contain lone surrogates, which cannot be written to files.
        text = text.encode("utf-8", errors="replace").decode("utf-8")
    counts = (
        _count(usage, "prompt_tokens", sum(len(content) for _, content in request.messages)),
        _count(usage, "completion_tokens", len(text) if isinstance(text, str) else 0),
    )
    return Completion(text, logprobs, *counts)


def _count(usage, name, n_characters):
    """Return the reported number of tokens, or an estimate of 4 characters per token."""
    count = getattr(usage, name, None)
    return -(-n_characters // 4) if count is None else count
