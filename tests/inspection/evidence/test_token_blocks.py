"""Blocks hold whole documents, and parts share none."""

import numpy as np
import pytest

from skdict import Activations
from skdict.inspection import TokenBlock, iter_documents, split_documents


def activations(lengths, seed=0):
    """Return activations of documents of given lengths, numbered 3, 6, 9, ..."""
    documents = np.repeat(3 * (1 + np.arange(len(lengths))), lengths)
    positions = np.concatenate([np.arange(1, n + 1) for n in lengths])
    ids = np.random.default_rng(seed).integers(0, 9, len(documents))
    rows = np.arange(len(documents), dtype=np.float32)[:, None]
    return Activations(rows, documents=documents, positions=positions, token_ids=ids)


def test_blocks_are_whole_documents_in_order():
    lengths = np.random.default_rng(0).integers(1, 40, 50)
    acts = activations(lengths)
    for chosen in (None, lengths > 20, np.arange(50) == 7):
        blocks = list(iter_documents(acts, chosen, block_rows=64))
        kept = np.repeat(np.ones(50, bool) if chosen is None else chosen, lengths)
        assert np.array_equal(
            np.concatenate([np.asarray(b) for b in blocks]), np.asarray(acts[kept])
        )
        seen = [set(b.documents.tolist()) for b in blocks]
        assert sum(map(len, seen)) == len(set().union(*seen))
        assert all(len(b) <= 64 for b in blocks)


def test_a_document_longer_than_a_block_stays_whole():
    acts = activations([5, 100, 5])
    assert [len(b) for b in iter_documents(acts, block_rows=10)] == [5, 100, 5]


def test_tokens_before_stay_in_the_document_and_next_to_one_another():
    block = TokenBlock([0, 0, 0, 1, 1], [1, 2, 4, 1, 2], [10, 11, 12, 13, 14])
    assert block.back(0).tolist() == [10, 11, 12, 13, 14]
    assert block.back(1).tolist() == [-1, 10, -1, -1, 13]
    assert block.back(2).tolist() == [-1, -1, -1, -1, -1]


@pytest.mark.parametrize("n_documents", [3, 4, 10, 200])
def test_parts_share_no_document_and_leave_none_out(n_documents):
    acts = activations([7] * n_documents)
    parts = split_documents(acts, seed=1)
    assert np.array_equal(sum(part.astype(int) for part in parts.values()), np.ones(n_documents))
    assert all(part.any() for part in parts.values())
    if n_documents == 200:
        assert [int(part.sum()) for part in parts.values()] == [100, 40, 60]
        other = split_documents(acts, seed=2)
        assert not np.array_equal(other["test"], parts["test"])


def test_few_tokens_are_explained_and_all_others_test():
    acts = activations([7] * 200)
    parts = split_documents(acts, most_tokens=140)
    assert [int(part.sum()) for part in parts.values()] == [20, 10, 170]


def test_a_part_does_not_depend_on_the_rows():
    acts = activations([7] * 20)
    other = Activations(
        np.ones((140, 2)),
        documents=acts.documents,
        positions=acts.positions,
        token_ids=acts.token_ids * 0,
    )
    assert np.array_equal(split_documents(acts)["test"], split_documents(other)["test"])


def test_two_documents_are_too_few():
    with pytest.raises(ValueError, match="of 2 documents; pass at least 3"):
        split_documents(activations([4, 4]))
