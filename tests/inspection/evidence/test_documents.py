"""Blocks hold whole documents, in order."""

import numpy as np
import scipy.sparse

from skdict.inspection.evidence import iter_coded_documents, iter_documents
from tests.inspection.evidence.planted_documents import activations


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


def test_codes_go_with_their_rows():
    acts = activations([3, 9, 4, 6])
    rows = np.random.default_rng(0).permutation(len(acts))
    # The one code of a row is its number in order, from 1 on.
    codes = scipy.sparse.csr_array(1.0 + np.asarray(acts)[rows])
    for chosen in (None, np.array([True, False, True, True])):
        blocks = list(iter_coded_documents(codes, acts[rows], chosen))
        seen = np.concatenate([part.toarray() for part, _ in blocks])
        expected = np.concatenate([np.asarray(block) for _, block in blocks])
        np.testing.assert_array_equal(seen, 1 + expected)
        kept = np.repeat(np.ones(4, dtype=bool) if chosen is None else chosen, [3, 9, 4, 6])
        np.testing.assert_array_equal(expected, np.asarray(acts)[kept])
