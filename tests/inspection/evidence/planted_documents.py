"""Activations of documents of given lengths."""

import numpy as np

from skdict import Activations


def activations(lengths, seed=0):
    """Return activations of documents of given lengths, numbered 3, 6, 9, ..."""
    documents = np.repeat(3 * (1 + np.arange(len(lengths))), lengths)
    positions = np.concatenate([np.arange(1, n + 1) for n in lengths])
    ids = np.random.default_rng(seed).integers(0, 9, len(documents))
    rows = np.arange(len(documents), dtype=np.float32)[:, None]
    return Activations(rows, documents=documents, positions=positions, token_ids=ids)
