"""Agreement of fits of one kind of dictionary with different seeds."""

import itertools

import numpy as np

from skdict.decomposition import dictionary_atoms
from skdict.metrics import max_cosine_similarity


def stability(fits, random_state):
    """Return the similarity of fits, averaged over pairs, and its chance level.

    Similarity is the mean over directions of the largest absolute cosine with any direction of the
    other fit, averaged over both ways. For the chance level, random directions replace the first
    fit of each pair.

    Parameters
    ----------
    fits : list of estimator
        Fitted dictionaries. A single one has no similarity.
    random_state : RandomState
        Source of the random directions.

    Returns
    -------
    dict of str to float
        `stability` and `stability_random`; nan for a single fit.
    """
    atoms = [np.asarray(dictionary_atoms(fit)) for fit in fits]
    pairs = list(itertools.combinations(atoms, 2))
    similarity = [_similarity(*pair) for pair in pairs]
    chance = [_similarity(random_state.standard_normal(a.shape), b) for a, b in pairs]
    return {
        "stability": float(np.mean(similarity)) if pairs else np.nan,
        "stability_random": float(np.mean(chance)) if pairs else np.nan,
    }


def _similarity(first, second):
    sides = ((first, second), (second, first))
    ways = [max_cosine_similarity(a, np.concatenate([b, -b])).mean() for a, b in sides]
    return np.mean(ways)
