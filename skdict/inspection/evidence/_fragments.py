"""Split text fragments as Cunningham et al. (2023) do: to explain, to calibrate and to test on."""

from itertools import pairwise

import numpy as np

from skdict._text import readable
from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._drawn_windows import collect
from skdict.inspection.evidence._split_documents import PARTS
from skdict.inspection.evidence._streams import Stream, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock

# Tokens in a fragment, fragments in each list, and maximum number used from each list.
FRAGMENT = 64
N_LISTED = 20
N_TAKEN = 5


def deal_fragments(blocks, n_features, seed):
    """Return the fragments of each feature, split as in Cunningham et al. (2023).

    One fragment of 64 tokens is cut at random from each document. Shorter documents, and fragments
    with a replacement character, are left out. For each feature, the 20 fragments with the largest
    codes and 20 drawn at random among those in which it fires are split by rank. Of the strongest,
    ranks 1, 5, ... are used to explain, 2, 6, ... to calibrate and 3, 7, ... to test; of the random
    ones, 1, 4, ... to calibrate and 2, 5, ... to test. At most 5 fragments of each list go to each
    part. Features that fire in fewer than 20 fragments get none.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents, with their rows.
    n_features : int
        Number of columns of the codes.
    seed : int
        Seed for cutting and drawing fragments.

    Returns
    -------
    dict of str to list of (list of Record)
        For "explain", "select" (used to calibrate) and "test", the fragments of each feature.
    """
    wanted = {"n_top": N_LISTED, "n_random": N_LISTED, "n_silent": 0}
    collector = collect(_fragments(blocks, seed), n_features, window=FRAGMENT, seed=seed, **wanted)
    dealt = [_dealt(records) for records in collector.records()]
    return {part: [own[part] for own in dealt] for part in PARTS}


def _fragments(blocks, seed):
    """Yield codes and tokens of one fragment per document, for the documents that have one."""
    for codes, block in blocks:
        rows = fragment_rows(block, seed)
        if len(rows):
            yield codes[rows], TokenBlock.of(block)[rows]


def _dealt(records):
    """Return the fragments of one feature in each part."""
    if len(records.random) < N_LISTED:
        return {part: [] for part in PARTS}
    top, random = records.top, records.random
    return {
        "explain": top[0::4][:N_TAKEN],
        "select": top[1::4][:N_TAKEN] + random[0::3][:N_TAKEN],
        "test": top[2::4][:N_TAKEN] + random[1::3][:N_TAKEN],
    }


def fragment_rows(block, seed):
    """Return the rows of one fragment per document, for the documents that have one."""
    bounds = document_bounds(block.documents)
    kept = [np.zeros(0, dtype=np.int64)]
    for first, end in pairwise(bounds):
        free = end - first - FRAGMENT
        if free < 0:
            continue
        drawn = float(uniform(seed, Stream.FRAGMENTS, block.documents[first]))
        rows = first + min(int(drawn * (free + 1)), free) + np.arange(FRAGMENT)
        if not _is_broken(block.token_ids[rows], block.vocabulary):
            kept.append(rows)
    return np.concatenate(kept)


def _is_broken(token_ids, vocabulary):
    """Return True if a fragment has a replacement character, as in wrongly decoded text."""
    if vocabulary is None:
        return False
    return "\ufffd" in readable("".join(vocabulary[v] for v in token_ids))
