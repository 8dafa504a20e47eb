"""Parts of the documents share none, and leave none out."""

import numpy as np
import pytest

from skdict import Activations
from skdict.inspection.evidence import split_documents
from tests.inspection.evidence.planted_documents import activations


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
    with pytest.raises(ValueError, match="have 2 documents; pass at least 3"):
        split_documents(activations([4, 4]))
