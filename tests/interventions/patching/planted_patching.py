"""A task of random prompts, and a small model of which everything is known."""

import numpy as np
import torch
from sklearn.utils import Bunch
from torch import nn


def random_task(n_pairs=6, n_positions=7, vocabulary=300, *, n_answer_tokens=1, seed=0):
    """Return pairs of random prompts that differ in two places, of two lengths."""
    rng = np.random.default_rng(seed)
    prompts = [rng.integers(5, vocabulary, n_positions - i % 2) for i in range(n_pairs)]
    others = [p.copy() for p in prompts]
    for other in others:
        other[[1, 3]] = rng.integers(5, vocabulary, 2)
    answers = [
        (rng.integers(5, vocabulary, n_answer_tokens), rng.integers(5, vocabulary, 1))
        for _ in prompts
    ]
    return Bunch(prompt_ids=prompts, counterfactual_ids=others, answer_ids=answers)


class PlainModel(nn.Module):
    """Rows of an embedding, a place to read them, and logits of the mean row up to a token.

    Parameters
    ----------
    embedding : array-like of shape (n_vocabulary, width)
        Rows.
    logits_of : callable
        Mean rows (..., width) to logits.
    """

    def __init__(self, embedding, logits_of):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.as_tensor(embedding))
        self.place = nn.Identity()
        self.logits_of = logits_of

    def forward(self, ids):
        """Return logits for ids (texts, tokens)."""
        x = self.place(self.embedding(ids))
        counts = torch.arange(1, ids.shape[1] + 1, dtype=x.dtype)[:, None]
        return self.logits_of(x.cumsum(dim=1) / counts)


def plain_task(n_pairs, vocabulary, *, n_positions=4, seed=0):
    """Return pairs of equal length whose every token differs."""
    rng = np.random.default_rng(seed)
    shape = n_pairs, n_positions
    prompts = rng.integers(0, vocabulary, shape)
    others = (prompts + rng.integers(1, vocabulary, shape)) % vocabulary
    answers = [(np.array([0]), np.array([1]))] * n_pairs
    return Bunch(prompt_ids=list(prompts), counterfactual_ids=list(others), answer_ids=answers)
