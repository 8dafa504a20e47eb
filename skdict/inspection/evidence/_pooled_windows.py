"""A few windows for each feature, in place of every token."""

import numpy as np
import scipy.sparse

from skdict.inspection.evidence._records import RecordCollector
from skdict.inspection.evidence._token_blocks import TokenBlock

N_WINDOWS = 5
BLOCK_WINDOWS = 128
KINDS = {"top": ("top",), "random": ("random",), "top_and_random": ("top", "random")}


def sampled_windows(blocks, n_features, sampling, window, seed):
    """Yield the windows of all features, with the tokens that count for each feature.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents.
    n_features : int
        Columns of the codes.
    sampling : {"top", "random", "top_and_random"}
        Five windows of the largest codes, five drawn among those in which the feature fires,
        or both.
    window : int
        Tokens in a window.
    seed : int
        Of the draw.

    Yields
    ------
    (csr_array, TokenBlock, csr_array of bool)
        Codes; tokens, each window a document of its own; which tokens count.
    """
    collector = RecordCollector(
        n_features, window=window, n_top=N_WINDOWS, n_random=N_WINDOWS, n_silent=0, seed=seed
    )
    vocabulary = None
    for codes, block in blocks:
        collector.update(codes, block)
        vocabulary = block.vocabulary
    found = {}
    for records in collector.records():
        for kind in KINDS[sampling]:
            for record in getattr(records, kind):
                place = record.document, record.position
                found.setdefault(place, {})[records.feature] = record
    places = sorted(found)
    for start in range(0, len(places), BLOCK_WINDOWS):
        chosen = [found[place] for place in places[start : start + BLOCK_WINDOWS]]
        yield _block(chosen, n_features, vocabulary)


def _block(windows, n_features, vocabulary):
    """Return codes, tokens and what counts, for windows given as {feature: record}."""
    any_of = [next(iter(by_feature.values())) for by_feature in windows]
    sizes = [len(record.token_ids) for record in any_of]
    ends = np.cumsum(sizes)
    rows, columns, values = [], [], []
    for by_feature, size, end in zip(windows, sizes, ends, strict=True):
        for feature, record in by_feature.items():
            rows.append(np.arange(end - size, end))
            columns.append(np.full(size, feature))
            values.append(record.codes)
    at = np.concatenate(rows), np.concatenate(columns)
    shape = int(ends[-1]), n_features
    tokens = TokenBlock(
        np.repeat(np.arange(len(windows)), sizes),
        np.concatenate([r.position + np.arange(len(r.token_ids)) for r in any_of]),
        np.concatenate([r.token_ids for r in any_of]),
        vocabulary,
    )
    codes = scipy.sparse.csr_array((np.concatenate(values), at), shape=shape)
    where = scipy.sparse.csr_array((np.ones(len(at[0]), dtype=np.float32), at), shape=shape)
    return codes, tokens, where
