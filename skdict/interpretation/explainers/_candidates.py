"""Candidate terms of the context explainer."""

import numpy as np

from skdict.interpretation.explainers._conditions import N_BUCKETS
from skdict.interpretation.explainers._document_state import document_states
from skdict.interpretation.explainers._spellings import SPELLINGS
from skdict.interpretation.explainers._terms import Term
from skdict.interpretation.explainers._token_classes import token_classes

# Kinds of terms about the token itself, and of terms that can narrow them down.
ABOUT_TOKEN = ("suffix", "class", "spelling")
NARROWING = ("spelling", "previous", "previous class", "previous spelling", "state")
# Topics are classes of levels with at least and at most so many classes. They occur in at least
# so many documents, and in at most this fraction of them.
TOPIC_LEVELS = 128, 1024
FEWEST_DOCUMENTS, MOST_COMMON = 3, 0.2


def candidate_terms(tokens, n_types, n_near):
    """Return all terms that an explanation may use.

    Parameters
    ----------
    tokens : TokenBlock
        Text to explain from.
    n_types : int
        Maximum number of distinct tokens in terms about the token or the preceding token.
    n_near : int
        Maximum number of distinct tokens in terms about the text before.

    Returns
    -------
    list of Term
    """
    types, counts = np.unique(tokens.token_ids, return_counts=True)
    frequent = types[np.argsort(-counts, kind="stable")[:n_types]].tolist()
    terms = [Term("suffix", (v,)) for v in frequent]
    terms += [Term("previous", v) for v in frequent]
    terms += [Term("near", v) for v in frequent[:n_near]]
    terms += [Term("state", name) for name in document_states(tokens)]
    terms += [Term("position", bucket) for bucket in range(N_BUCKETS)]
    if tokens.vocabulary is not None:
        terms += [
            Term(kind, name) for kind in ("spelling", "previous spelling") for name in SPELLINGS
        ]
    # Narrow classes can be equal at two levels.
    return list(dict.fromkeys(terms + _class_terms(tokens)))


def _class_terms(tokens):
    vectors = getattr(tokens.vocabulary, "vectors", None)
    if vectors is None:
        return []
    terms = []
    for level in token_classes(tokens.token_ids, vectors):
        terms += [Term(kind, ids) for kind in ("class", "previous class") for ids in level]
        if TOPIC_LEVELS[0] <= len(level) <= TOPIC_LEVELS[1]:
            terms += [Term("topic", ids) for ids in _topics(tokens, level)]
    return terms


def _topics(tokens, classes):
    """Return the classes that occur in neither too few nor too many documents."""
    n_ids = 1 + max(max(ids) for ids in classes)
    class_of = np.full(max(n_ids, int(tokens.token_ids.max()) + 1), -1)
    for i, ids in enumerate(classes):
        class_of[list(ids)] = i
    _, document = np.unique(tokens.documents, return_inverse=True)
    n_documents = int(document.max()) + 1
    pairs = np.unique(document * len(classes) + class_of[tokens.token_ids])
    held_in = np.bincount(pairs % len(classes), minlength=len(classes))
    kept = (held_in >= FEWEST_DOCUMENTS) & (held_in <= MOST_COMMON * n_documents)
    return [ids for ids, keep in zip(classes, kept, strict=True) if keep]
