"""Select a few windows of each feature to score on instead of every token."""

import numpy as np
import scipy.sparse

from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._drawn_windows import collect
from skdict.inspection.evidence._token_blocks import TokenBlock

N_WINDOWS = 5
BLOCK_WINDOWS = 128
KINDS = {"top": ("top",), "random": ("random",), "top_and_random": ("top", "random")}


def windows_of(blocks, n_features, sampling, window, seed):
    """Return the windows of each feature to score on, without duplicates.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents, with their rows.
    n_features : int
        Number of columns of the codes.
    sampling : {"top", "random", "top_and_random"}
        "top" selects the five windows with the largest codes, "random" draws five among those in
        which the feature fires, and "top_and_random" uses both.
    window : int
        Number of tokens in a window.
    seed : int
        Seed for drawing windows.

    Returns
    -------
    list of (list of Record)
    """
    # Draw twice as many random windows as needed, because some may also be top windows.
    wanted = {"n_top": N_WINDOWS, "n_random": 2 * N_WINDOWS, "n_silent": 0}
    collector = collect(blocks, n_features, window=window, seed=seed, **wanted)
    return [_distinct(records, KINDS[sampling]) for records in collector.records()]


def sampled_windows(blocks, n_features, sampling, window, seed):
    """Yield the windows of all features, with a mask of the tokens to score for each feature.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents, with their rows.
    n_features : int
        Number of columns of the codes.
    sampling : {"top", "random", "top_and_random"}
        "top" selects the five windows with the largest codes, "random" draws five among those in
        which the feature fires, and "top_and_random" uses both.
    window : int
        Number of tokens in a window.
    seed : int
        Seed for drawing windows.

    Yields
    ------
    (csr_array, TokenBlock, csr_array of bool)
        Codes; tokens, with each window as a separate document; mask of the tokens to score.
    """
    wanted = {"n_top": N_WINDOWS, "n_random": N_WINDOWS, "n_silent": 0}
    collector = collect(blocks, n_features, window=window, seed=seed, **wanted)
    found = {}
    for records in collector.records():
        for kind in KINDS[sampling]:
            for record in getattr(records, kind):
                place = record.document, record.position
                found.setdefault(place, {})[records.feature] = record
    places = sorted(found)
    for start in range(0, len(places), BLOCK_WINDOWS):
        chosen = [found[place] for place in places[start : start + BLOCK_WINDOWS]]
        yield _block(chosen, n_features, collector.vocabulary)


def _block(windows, n_features, vocabulary):
    """Return codes, tokens and mask for windows given as {feature: record}."""
    tokens = TokenBlock.of_windows([next(iter(w.values())) for w in windows], vocabulary)
    rows, columns, values = [], [], []
    for start, by_feature in zip(document_bounds(tokens.documents)[:-1], windows, strict=True):
        for feature, record in by_feature.items():
            rows.append(start + np.arange(len(record.codes)))
            columns.append(np.full(len(record.codes), feature))
            values.append(record.codes)
    at = np.concatenate(rows), np.concatenate(columns)
    shape = len(tokens), n_features
    codes = scipy.sparse.csr_array((np.concatenate(values), at), shape=shape)
    where = scipy.sparse.csr_array((np.ones(len(at[0]), dtype=np.float32), at), shape=shape)
    return codes, tokens, where


def _distinct(records, kinds):
    found = {}
    for kind in kinds:
        new = [r for r in getattr(records, kind) if (r.document, r.position) not in found]
        found |= {(r.document, r.position): r for r in new[:N_WINDOWS]}
    return list(found.values())
