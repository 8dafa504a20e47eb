"""Client for local transformers models, with exact log-probabilities."""

import hashlib
import math
import threading
from itertools import pairwise

import torch
from transformers.cache_utils import DynamicLayer

from skdict._core import resolve_device
from skdict._llm._errors import ClientError
from skdict._llm._reply_cache import request_key
from skdict._llm._requests import Completion
from skdict._validation import check_number
from skdict.models import describe_model, evaluation_mode, fingerprint, load_model


class TransformersClient:
    """Client for a causal language model loaded with transformers.

    Log-probabilities are exact for every requested choice, however many tokens it has, and at
    every slot, because the text is tokenised separately on both sides of each slot.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Model name, local folder, or a loaded (model, tokenizer) pair. Models given by name or
        folder are loaded on first use.
    device : str, default="auto"
        Device for a model given by name or folder.
    revision : str or None, default=None
        Branch, tag or commit on the Hugging Face Hub.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first.
    seed : int, default=0
        Seed for replies at a positive temperature. Random numbers depend on the seed and on the
        whole request, so equal requests get equal replies, and different requests independent
        ones.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not a non-negative integer.

    Examples
    --------
    >>> from skdict import load_stories
    >>> from skdict.interpretation.llm import Request, TransformersClient
    >>> client = TransformersClient(load_stories().model)
    >>> client.complete(Request((("user", "Once upon a"),), max_tokens=1)).text
    ' time'
    """

    def __init__(self, model, *, device="auto", revision=None, trust_remote_code=False, seed=0):
        check_number("seed", seed, low=0, integer=True)
        self.model, self.device, self.revision = model, device, revision
        self.trust_remote_code, self.seed = trust_remote_code, int(seed)
        self._identity = None
        self._lock = threading.Lock()

    def __repr__(self):
        return f"TransformersClient({describe_model(self.model)!r})"

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state):
        vars(self).update(state)
        self._lock = threading.Lock()

    @property
    def identity(self):
        """Hash of weights and vocabulary, and the seed, which identify replies in a cache."""
        if self._identity is None:
            self._identity = fingerprint(*self._load())
        return [self._identity, self.seed]

    def complete(self, request):
        """Generate a reply, or return the log-probabilities of choices.

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
        FileNotFoundError, ValueError, TypeError
            If the model cannot be loaded.
        ClientError
            If the request is longer than the model's maximum length.
        """
        with self._lock:
            model, tokenizer = self._load()
            with torch.inference_mode(), evaluation_mode(model):
                if request.choices:
                    return _Choices(model, tokenizer).read(request)
                return _write(model, tokenizer, request, self.seed)

    def _load(self):
        device = resolve_device(self.device)
        return load_model(
            self.model,
            device=device,
            revision=self.revision,
            trust_remote_code=self.trust_remote_code,
        )


def _write(model, tokenizer, request, seed):
    ids, chats = _prompt(tokenizer, request)
    _check_length(model, len(ids) + request.max_tokens)
    written, found, cache = [], [], None
    new = torch.tensor([ids], device=model.device)
    generator = torch.Generator().manual_seed(_request_seed(request, seed))
    for _ in range(request.max_tokens):
        output = model(input_ids=new, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        logprobs = output.logits[0, -1].float().log_softmax(-1).cpu()
        token = _next(logprobs, request.temperature, generator)
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
        if request.top_logprobs:
            top = logprobs.topk(min(request.top_logprobs, len(logprobs)))
            pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
            found.append(_by_text(tokenizer, pairs))
        new = torch.tensor([[token]], device=model.device)
    text = tokenizer.decode(written, skip_special_tokens=True)
    text = text if chats else request.prefix + text
    logprobs = tuple(found) if request.top_logprobs else None
    return Completion(text, logprobs, len(ids), len(written))


def _request_seed(request, seed):
    """Return a seed that depends on every field of a request."""
    digest = hashlib.sha256(f"{seed} {request_key(request)}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _prompt(tokenizer, request):
    """Return the token ids of the prompt, and True if it uses a chat template."""
    if getattr(tokenizer, "chat_template", None) is not None:
        messages = [{"role": role, "content": text} for role, text in request.messages]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return tokenizer(prompt, add_special_tokens=False)["input_ids"], True
    return _encode(tokenizer, request.text), False


def _encode(tokenizer, text):
    """Return the token ids of a text, without an end-of-sequence token."""
    ids = tokenizer(text)["input_ids"]
    ended = ids and ids[-1] == tokenizer.eos_token_id and (len(ids) > 1 or not text)
    return ids[:-1] if ended else ids


def _next(logprobs, temperature, generator):
    if temperature == 0:
        return int(logprobs.argmax())
    weights = (logprobs / temperature).softmax(-1)
    return int(torch.multinomial(weights, 1, generator=generator))


def _by_text(tokenizer, pairs):
    """Return log-probabilities by text, adding probabilities of tokens with the same text."""
    found = {}
    for token, logprob in pairs:
        text = tokenizer.decode([token])
        before = torch.tensor(found.get(text, float("-inf")), dtype=torch.float64)
        found[text] = float(torch.logaddexp(before, torch.tensor(logprob, dtype=torch.float64)))
    return found


class _Choices:
    """Log-probabilities of choices at positions in a text or after it."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer

    def read(self, request):
        """Return the log-probabilities of the choices at each slot, or at the end of the text."""
        if request.slots:
            ids, ends = self._cut(request.text, request.slots)
        else:
            ids, _ = _prompt(self.tokenizer, request)
            ends = [len(ids)]
        _check_length(self.model, len(ids))
        choices = {choice: self._tokens(choice) for choice in request.choices}
        text = _ReadText(self.model, ids)
        # From the last slot to the first, because a cache can be shortened but not lengthened.
        found = [self._at(text, end, choices) for end in reversed(ends)]
        return Completion("", tuple(reversed(found)), len(ids), 0)

    def _cut(self, text, slots):
        """Return the token ids of a text split at the slots, and the length before each slot."""
        bounds = (*slots, len(text))
        ids, ends = _encode(self.tokenizer, text[: bounds[0]]), []
        for start, end in pairwise(bounds):
            ends.append(len(ids))
            ids = ids + self._tokens(text[start:end])
        return ids, ends

    def _at(self, text, end, choices):
        """Return the log-probability of each choice, excluding longer choices that extend it."""
        whole = {}
        for choice, tokens in choices.items():
            steps = (text.logprobs_after(end, tokens[:i])[t] for i, t in enumerate(tokens))
            whole[choice] = sum(map(float, steps))
        found = {}
        for choice, tokens in choices.items():
            longer = (c for c, t in choices.items() if c != choice and t[: len(tokens)] == tokens)
            p = math.exp(whole[choice]) - sum(math.exp(whole[c]) for c in longer)
            found[choice] = math.log(p) if p > 0 else -math.inf
        return found

    def _tokens(self, text):
        """Return the token ids of a text as it is tokenised after a tab, which ends every slot."""
        tab = self.tokenizer("\t", add_special_tokens=False)["input_ids"]
        both = self.tokenizer("\t" + text, add_special_tokens=False)["input_ids"]
        if both[: len(tab)] == tab and len(both) > len(tab):
            return both[len(tab) :]
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


class _ReadText:
    """A text that the model has read, and from whose beginnings it continues."""

    def __init__(self, model, ids):
        self._model, self._ids = model, ids
        output = model(input_ids=self._tensor(ids), use_cache=True)
        self._logprobs = _logprobs(output)
        self._cache = getattr(output, "past_key_values", None)

    def logprobs_after(self, end, tokens):
        """Return the log-probabilities of the token after the first ones of the text and others."""
        if not tokens:
            return self._logprobs[end - 1]
        if self._shortened(end):
            output = self._model(
                input_ids=self._tensor(tokens), past_key_values=self._cache, use_cache=True
            )
        else:
            output = self._model(input_ids=self._tensor(self._ids[:end] + tokens))
        return _logprobs(output)[-1]

    def _shortened(self, end):
        """Shorten the cache to a length; return False if it does not hold every token."""
        layers = getattr(self._cache, "layers", ())
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            return False
        self._cache.crop(end - self._cache.get_seq_length())
        return True

    def _tensor(self, ids):
        return torch.tensor([ids], device=self._model.device)


def _logprobs(output):
    return output.logits[0].float().log_softmax(-1).cpu()


def _check_length(model, n_tokens):
    most = getattr(model.config, "max_position_embeddings", None)
    if most is not None and n_tokens > most:
        raise ClientError(
            f"the request has {n_tokens} tokens and the model accepts at most {most}; pass fewer "
            f"n_shots or a smaller window, or use a model that accepts more"
        )
