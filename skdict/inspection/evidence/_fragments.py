"""Fragments that explain, calibrate and test, as Cunningham et al. (2023) dealt them out."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._readable import readable
from skdict.inspection.evidence._records import collect
from skdict.inspection.evidence._streams import Stream, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock

# Tokens in a fragment, fragments listed, and taken of each list.
FRAGMENT = 64
N_LISTED = 20
N_TAKEN = 5


@dataclass(frozen=True, eq=False)
class Evidence:
    """The windows of one feature; none in a list stands for too few.

    Parameters
    ----------
    explain, calibrate, test : list of Record
        Windows to write an explanation from, to calibrate on, and to score on.
    """

    explain: list
    calibrate: list
    test: list


def cunningham_evidence(blocks, n_features, seed):
    """Return the fragments of each feature as Cunningham et al. (2023) dealt them out.

    One fragment of 64 tokens is cut at random from each document; documents that are shorter,
    and fragments with a replacement character, are left out. The 20 fragments of the largest
    codes and 20 drawn among those in which the feature fires are dealt out in turn: of the first,
    ranks 1, 5, ... explain, 2, 6, ... calibrate and 3, 7, ... test; of the second, 1, 4, ...
    calibrate and 2, 5, ... test. Features that fire in fewer than 20 fragments have no windows.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents.
    n_features : int
        Columns of the codes.
    seed : int
        Of what is drawn.

    Returns
    -------
    list of Evidence
    """
    wanted = {"n_top": N_LISTED, "n_random": N_LISTED, "n_silent": 0}
    collector = collect(_fragments(blocks, seed), n_features, window=FRAGMENT, seed=seed, **wanted)
    return [_dealt(records) for records in collector.records()]


def _fragments(blocks, seed):
    """Yield codes and tokens of one fragment of each document that has one."""
    for codes, block in blocks:
        rows = fragment_rows(block, seed)
        if len(rows):
            yield codes[rows], TokenBlock.of(block)[rows]


def _dealt(records):
    if len(records.random) < N_LISTED:
        return Evidence([], [], [])
    top, random = records.top, records.random
    return Evidence(
        explain=top[0::4][:N_TAKEN],
        calibrate=top[1::4][:N_TAKEN] + random[0::3][:N_TAKEN],
        test=top[2::4][:N_TAKEN] + random[1::3][:N_TAKEN],
    )


def fragment_rows(block, seed):
    """Return the rows of one fragment of each document that has one."""
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
    """Whether a fragment has a replacement character, as in text of unknown encoding."""
    if vocabulary is None:
        return False
    return "\ufffd" in readable("".join(vocabulary[v] for v in token_ids))
