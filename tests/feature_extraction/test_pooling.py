"""Pooling equals a plain loop over documents, dense or sparse."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from skdict.feature_extraction._pooling import pool_rows

DOCUMENTS = np.array([0, 0, 0, 1, 2, 2])


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((6, 8)) * (rng.random((6, 8)) < 0.5)


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_equal_to_a_loop(rows, pooling, kind):
    plain = {
        "max": lambda part: part.max(axis=0),
        "mean": lambda part: part.mean(axis=0),
        "last": lambda part: part[-1],
    }[pooling]
    expected = np.stack([plain(rows[DOCUMENTS == d]) for d in range(3)])
    pooled = pool_rows(kind(rows), DOCUMENTS, 3, pooling)
    assert scipy.sparse.issparse(pooled) == (kind is scipy.sparse.csr_array)
    pooled = pooled.toarray() if scipy.sparse.issparse(pooled) else pooled
    np.testing.assert_allclose(pooled, expected)


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_no_code_at_all(pooling):
    empty = scipy.sparse.csr_array((6, 8))
    pooled = pool_rows(empty, DOCUMENTS, 3, pooling)
    assert pooled.shape == (3, 8)
    assert pooled.nnz == 0


def test_half_precision_means_do_not_overflow():
    pooled = pool_rows(np.full((200, 2), 500, dtype=np.float16), np.zeros(200, int), 1, "mean")
    assert pooled.dtype == np.float16
    assert pooled.tolist() == [[500, 500]]


def test_a_document_without_rows(rows):
    with pytest.raises(ValueError, match=r"texts\[3\] has no token left"):
        pool_rows(rows, DOCUMENTS, 4, "max")


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_solvers_that_want_short_indices_are_served(pooling):
    rows = scipy.sparse.csr_array(np.eye(6, 4, dtype=np.float32))
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    pooled = pool_rows(rows, np.repeat([0, 1], 3), 2, pooling)
    assert pooled.indices.dtype == pooled.indptr.dtype == np.int32
    LogisticRegression(solver="saga", max_iter=2000).fit(pooled, [0, 1])
