"""Text and features with known explanations."""

import numpy as np

from skdict import Activations, IdentityDictionary

VOCABULARY = [f" w{i}" for i in range(400)]


def text(n_documents, length, n_types, seed=0, p=None):
    """Return documents, positions and token ids of random text."""
    rng = np.random.default_rng(seed)
    n = n_documents * length
    ids = rng.integers(0, n_types, n) if p is None else rng.choice(n_types, n, p=p)
    return np.repeat(np.arange(n_documents), length), np.tile(np.arange(length), n_documents), ids


def as_activations(codes, documents, positions, ids, vocabulary=VOCABULARY):
    """Return rows that are codes, and the dictionary whose codes they are."""
    acts = Activations(
        np.asarray(codes, dtype=np.float32),
        documents=documents,
        positions=positions,
        token_ids=ids,
        vocabulary=vocabulary,
    )
    return acts, IdentityDictionary().fit(acts)


def bigram(ids, positions, first, second):
    """Return where the second token follows the first in a document."""
    before = np.concatenate([[-1], ids[:-1]])
    return (ids == second) & (before == first) & (positions > 0)
