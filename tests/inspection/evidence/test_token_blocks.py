"""Tokens know those before them, and windows become documents of their own."""

import numpy as np

from skdict.inspection import Record
from skdict.inspection.evidence import TokenBlock


def test_tokens_before_stay_in_the_document_and_next_to_one_another():
    block = TokenBlock([0, 0, 0, 1, 1], [1, 2, 4, 1, 2], [10, 11, 12, 13, 14])
    assert block.back(0).tolist() == [10, 11, 12, 13, 14]
    assert block.back(1).tolist() == [-1, 10, -1, -1, 13]
    assert block.back(2).tolist() == [-1, -1, -1, -1, -1]


def test_windows_become_documents_and_keep_their_positions():
    windows = [
        Record(7, 40, np.array([3, 1]), np.zeros(2)),
        Record(7, 0, np.array([5]), np.zeros(1)),
    ]
    block = TokenBlock.of_windows(windows, ["a"] * 6)
    assert block.documents.tolist() == [0, 0, 1]
    assert block.positions.tolist() == [40, 41, 0]
    assert block.token_ids.tolist() == [3, 1, 5]
    assert block.vocabulary == ["a"] * 6
    assert block.back(1).tolist() == [-1, 3, -1]
