"""Rows of single-token words, read where a model is about to name their first letter."""

from itertools import chain

import numpy as np
from sklearn.utils import Bunch

from skdict.feature_extraction import check_places, forward
from skdict.models import (
    check_continues_texts,
    context_length,
    encode_texts,
    find_hook_point,
    loaded_pair,
    readable_pieces,
    special_ids,
)

QUESTION = " has the first letter: {letter}\n"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def spelling_rows(model, hook_point, *, n_words, n_examples, batch_size, rng):
    r"""Return the activations of words of a model's own vocabulary, with their first letters.

    A prompt is a list of solved lines, ``"{word} has the first letter: {letter}\n"``. Each word
    from line `n_examples` on yields the row of its own token, where its letter has not been named.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Causal language model.
    hook_point : str
        Hook point to read.
    n_words : int
        Maximum number of words, drawn at random.
    n_examples : int
        Number of solved lines before the first word that is read.
    batch_size : int
        Number of prompts per forward pass.
    rng : RandomState
        Random number generator.

    Returns
    -------
    Bunch
        rows : ndarray of shape (n, width), dtype float32
        letters : ndarray of shape (n,), first letter of each word in upper case
        words : list of str, the words with their leading space
    """
    module, tokenizer = loaded_pair(model)
    check_continues_texts(module)
    point = {hook_point: find_hook_point(module, hook_point)}
    ids, words = _draw_words(tokenizer, n_words, n_examples, rng)
    letters = np.array([word.strip()[0].upper() for word in words])
    prompts = _prompts(module, tokenizer, ids, letters, n_examples, rng)
    check_places(module, point, prompts[0][0])
    rows = []
    for start in range(0, len(prompts), batch_size):
        tokens, places = zip(*prompts[start : start + batch_size], strict=True)
        values = forward(module, point, tokens)[hook_point]
        rows += [v[at].float().cpu().numpy() for v, at in zip(values, places, strict=True)]
    return Bunch(rows=np.concatenate(rows), letters=letters, words=words)


def _draw_words(tokenizer, n_words, n_examples, rng):
    """Return token ids and texts of words: ASCII letters, optionally after a space."""
    special = set(special_ids(tokenizer))
    pieces = enumerate(readable_pieces(tokenizer))
    found = [(i, text) for i, text in pieces if i not in special and _is_word(text)]
    if len(found) <= n_examples:
        raise ValueError(
            f"the vocabulary has {len(found)} tokens of ASCII letters, too few for "
            f"n_examples={n_examples} and a word to read; lower n_examples, or pass a model whose "
            f"tokens are words or parts of words"
        )
    chosen = rng.permutation(len(found))[:n_words]
    ids, words = zip(*(found[i] for i in chosen), strict=True)
    return np.array(ids), list(words)


def _is_word(text):
    letters = text.removeprefix(" ")
    return letters.isascii() and letters.isalpha()


def _prompts(module, tokenizer, ids, letters, n_examples, rng):
    """Return (token ids, positions of the words to read) of each prompt; words keep their order."""
    texts = [QUESTION.format(letter=letter) for letter in LETTERS]
    encoded = encode_texts(tokenizer, texts)
    tails = {letter: text.body for letter, text in zip(LETTERS, encoded, strict=True)}
    prefix = encoded[0].prefix
    lines = [[int(i), *tails[letter]] for i, letter in zip(ids, letters, strict=True)]
    n_line = max(map(len, lines))
    n_read = _words_per_prompt(module, len(lines), len(prefix), n_line, n_examples)
    prompts = []
    for start in range(0, len(lines), n_read):
        here = range(start, min(start + n_read, len(lines)))
        others = np.setdiff1d(np.arange(len(lines)), here)
        examples = rng.permutation(others)[:n_examples]
        chosen = [lines[i] for i in (*examples, *here)]
        starts = len(prefix) + np.cumsum([0, *map(len, chosen)])[:-1]
        prompts.append(([*prefix, *chain.from_iterable(chosen)], starts[len(examples) :]))
    return prompts


def _words_per_prompt(module, n_words, n_prefix, n_line, n_examples):
    """Return the number of words to read in a prompt: twice the examples, if they fit."""
    wanted = min(2 * n_examples, n_words - n_examples)
    room = context_length(module)
    if room is None:
        return wanted
    fitting = (room - n_prefix) // n_line - n_examples
    if fitting < 1:
        raise ValueError(
            f"n_examples={n_examples} lines of {n_line} tokens and one word do not fit into the "
            f"{room} tokens that the model reads; lower n_examples"
        )
    return min(wanted, fitting)
