"""Refitting solves its least squares problems, by normal equations and by conjugate gradients."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from skdict import SparseDictionaryAutoencoder
from skdict._core import Weights
from skdict.datasets import make_sparse_features
from skdict.decomposition import _debias, _debias_dense, _debias_iterative, _least_squares

SOLVERS = (_debias_dense, _debias_iterative)
# Of gains, offsets and directions by conjugate gradients, to those by normal equations.
TOLERANCE = 2e-3


@pytest.fixture
def to_the_end(monkeypatch):
    """Conjugate gradients that do not stop early."""
    monkeypatch.setattr(_debias_iterative, "TOLERANCE", 1e-7)


@pytest.fixture(params=SOLVERS, ids=["dense", "iterative"])
def solver(request, to_the_end):
    return request.param


@pytest.fixture
def without_ridge(monkeypatch):
    monkeypatch.setattr(_least_squares, "PRIOR_ROWS", 1e-9)


@pytest.fixture(scope="module")
def fitted():
    """Rows, and a dictionary of 300 features trained on them."""
    data = make_sparse_features(6000, n_features=64, n_components=300, n_active=6, random_state=0)
    sae = SparseDictionaryAutoencoder(300, alpha=0.3, max_iter=2, random_state=0)
    return data.X, Weights.of(sae.fit(data.X))


def problem(seed=0, m=5, d=8, n=400):
    """Return rows, codes before gains, and weights with a silent last feature."""
    rng = np.random.default_rng(seed)
    components = rng.standard_normal((m, d))
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    codes = rng.uniform(0.5, 2, (n, m)) * (rng.random((n, m)) < 0.5)
    codes[:, -1] = 0
    gains = rng.uniform(0.7, 1.6, m)
    gains[0] = -0.5
    offsets = np.r_[rng.uniform(-0.3, 0.5, m - 2), -0.4, 0.3]
    refitted = np.where(codes > 0, codes * gains + offsets, 0)
    rows = refitted @ components + 0.1 * rng.standard_normal((n, d))
    weights = Weights(components, components, np.zeros(m), np.zeros(d), 1.0)
    return rows, scipy.sparse.csr_array(codes), weights


def test_magnitudes_are_those_of_bounded_least_squares(solver, without_ridge):
    rows, codes, weights = problem()
    equations = solver.Magnitudes([(rows, codes)], weights.components)
    found = _debias._fit_magnitudes(equations, weights)
    m, dense = 5, codes.toarray()
    # The silent feature is in no row, so the reference leaves it out.
    columns = [
        (part[:, j, None] * weights.components[j]).ravel()
        for part in (dense, dense > 0)
        for j in range(m - 1)
    ]
    lowest = np.r_[np.full(m - 1, _debias.SMALLEST_GAIN), np.zeros(m - 1)]
    reference = scipy.optimize.lsq_linear(
        np.stack(columns, axis=1), rows.ravel(), bounds=(lowest, np.inf)
    ).x
    assert (reference < lowest + 1e-6).sum() >= 2
    np.testing.assert_allclose(found[:, :-1].ravel(), reference, atol=2e-3)
    np.testing.assert_array_equal(found[:, -1], [1, 0])


def test_the_ridge_weighs_as_much_as_ten_rows_that_fit_exactly(solver):
    rows, codes, weights = problem()
    weights = replace(weights, code_gains=np.full(5, 1.2), code_offsets=np.full(5, 0.1))
    equations = solver.Magnitudes([(rows, codes)], weights.components)
    gains, offsets = _debias._fit_magnitudes(equations, weights)
    dense = codes.toarray()
    counts = (dense > 0).sum(0)[:-1]
    ridge = np.r_[10 * np.square(dense).sum(0)[:-1] / counts, np.full(4, 10)]
    columns = [
        (part[:, j, None] * weights.components[j]).ravel()
        for part in (dense, dense > 0)
        for j in range(4)
    ]
    before = np.r_[np.full(4, 1.2), np.full(4, 0.1)]
    design = np.concatenate([np.stack(columns, axis=1), np.diag(np.sqrt(ridge))])
    lowest = np.r_[np.full(4, 0.12), np.zeros(4)]
    reference = scipy.optimize.lsq_linear(
        design, np.r_[rows.ravel(), np.sqrt(ridge) * before], bounds=(lowest, np.inf)
    ).x
    np.testing.assert_allclose(np.r_[gains[:-1], offsets[:-1]], reference, atol=2e-3)
    assert (gains[-1], offsets[-1]) == (1.2, 0.1)


def test_signed_codes_get_gains_alone(solver, without_ridge):
    rng = np.random.default_rng(0)
    rows, codes, weights = problem()
    codes.data *= rng.choice([-1, 1], codes.nnz)
    equations = solver.Magnitudes([(rows, codes)], weights.components)
    gains, offsets = _debias._fit_magnitudes(equations, replace(weights, signed=True, k=2))
    design = [(codes.toarray()[:, j, None] * weights.components[j]).ravel() for j in range(4)]
    reference = scipy.optimize.lsq_linear(
        np.stack(design, axis=1), rows.ravel(), bounds=(_debias.SMALLEST_GAIN, np.inf)
    ).x
    np.testing.assert_allclose(gains[:-1], reference, atol=2e-3)
    assert not offsets.any()


def test_directions_are_those_of_least_squares(solver, without_ridge):
    rng = np.random.default_rng(1)
    codes = rng.uniform(0.5, 2, (300, 6)) * (rng.random((300, 6)) < 0.4)
    rows = codes @ rng.standard_normal((6, 9)) + 0.1 * rng.standard_normal((300, 9))
    pairs = [(rows, scipy.sparse.csr_array(codes))]
    directions = solver.fit_directions(pairs, rng.standard_normal((6, 9)))
    np.testing.assert_allclose(directions, np.linalg.lstsq(codes, rows)[0], atol=1e-3)


def test_sums_over_blocks_are_those_over_all_rows(solver, monkeypatch):
    monkeypatch.setattr(_debias_iterative, "GROUP_ROWS", 90)
    rows, codes, weights = problem()
    parts = [(rows[i : i + 80], codes[i : i + 80]) for i in range(0, 400, 80)]
    found = []
    for pairs in ([(rows, codes)], parts):
        equations = solver.Magnitudes(pairs, weights.components)
        directions = solver.fit_directions(pairs, weights.components)
        found.append([*_debias._fit_magnitudes(equations, weights), *directions.T])
    np.testing.assert_allclose(*found, atol=1e-3)


@pytest.fixture(scope="module")
def dense(fitted):
    return _debias.refit_weights(*fitted, "cpu")


def test_conjugate_gradients_agree_with_normal_equations(fitted, dense, to_the_end, monkeypatch):
    # All rows still fit, the arrays do not.
    monkeypatch.setattr(_debias_dense, "needed_bytes", lambda n_components: np.inf)
    iterative = _debias.refit_weights(*fitted, "cpu")
    for name in ("code_gains", "code_offsets", "components"):
        one, other = getattr(dense, name), getattr(iterative, name)
        np.testing.assert_allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
        assert (one != other).any()


def test_early_stopping_costs_no_more_than_half_a_percent_of_fvu(fitted, dense, monkeypatch):
    X, weights = fitted
    monkeypatch.setattr(_debias_dense, "needed_bytes", lambda n_components: np.inf)
    iterative = _debias.refit_weights(X, weights, "cpu")
    errors = []
    for each in (weights, dense, iterative):
        ((rows, codes),) = _debias._Pairs(weights, "cpu")([X])
        gains = np.ones(300) if each.code_gains is None else each.code_gains
        offsets = np.zeros(300) if each.code_offsets is None else each.code_offsets
        refitted = _least_squares.with_magnitudes(codes, gains, offsets)
        errors.append(np.square(rows - refitted @ each.components, dtype=np.float64).sum())
    before, exact, early = errors
    assert exact < 0.9 * before
    assert early == pytest.approx(exact, rel=0.005)


def test_a_small_budget_takes_a_sample_of_the_rows(fitted, monkeypatch):
    X, weights = fitted
    monkeypatch.setattr(_debias, "BUDGET_BYTES", 500_000)
    refitted = [_debias.refit_weights(X, weights, "cpu") for _ in range(2)]
    np.testing.assert_array_equal(refitted[0].code_gains, refitted[1].code_gains)
    solver, pairs = _debias._choose(X, weights, _debias._Pairs(weights, "cpu"))
    counts = np.sum([(len(rows), codes.nnz) for rows, codes in pairs()], axis=0)
    assert solver is _debias_iterative
    assert 1000 < counts[0] < 5000
    assert 300_000 < counts @ (16, 20) < 550_000


def test_samples_are_chunks_of_consecutive_rows():
    X = np.arange(20_100)[:, None]
    blocks = list(_debias._blocks(X, 9000))
    drawn = np.concatenate(blocks)[:, 0]
    assert len(drawn) == 35 * 256
    assert max(map(len, blocks)) == 16 * 256
    chunks = drawn.reshape(35, 256)
    assert (np.diff(chunks) == 1).all()
    assert (np.diff(chunks[:, 0]) >= 256).all()
    assert np.diff(chunks[:, 0]).max() > 256
    for n_rows in (20_100, 10**9):
        np.testing.assert_array_equal(np.concatenate(list(_debias._blocks(X, n_rows))), X)
    # Fewer than a chunk.
    np.testing.assert_array_equal(np.concatenate(list(_debias._blocks(X[:100], 7))), X[:100])


def test_a_feature_that_never_fires_stays_as_it_is(fitted, monkeypatch):
    X, weights = fitted
    bias = weights.encoder_bias.copy()
    bias[7] = -1e6
    gains, offsets = np.full((2, 300), [[1.5], [0.2]], np.float32)
    silent = replace(weights, encoder_bias=bias, code_gains=gains, code_offsets=offsets)
    for budget in (_debias.BUDGET_BYTES, 10**6):
        monkeypatch.setattr(_debias, "BUDGET_BYTES", budget)
        changed = _debias.refit_weights(X[:2000], silent, "cpu")
        np.testing.assert_allclose(changed.components[7], weights.components[7], atol=1e-6)
        assert changed.code_gains[7] == pytest.approx(1.5)
        assert changed.code_offsets[7] == pytest.approx(0.2)


@pytest.mark.parametrize("seed", range(20))
def test_no_problem_is_solved_worse_than_by_what_was_there(solver, seed):
    """Directions that overlap much, few rows or many, any gains and offsets before."""
    rng = np.random.default_rng(seed)
    rows, codes, weights = problem(seed, *rng.integers((4, 2, 5), (30, 12, 200)))
    gains, offsets = rng.uniform(0.2, 4, codes.shape[1]), rng.uniform(0, 2, codes.shape[1])
    weights = replace(weights, code_gains=gains, code_offsets=offsets)
    found = _debias._fit_magnitudes(solver.Magnitudes([(rows, codes)], weights.components), weights)
    before, after = (
        np.square(rows - _least_squares.with_magnitudes(codes, *pair) @ weights.components).sum()
        for pair in ((gains, offsets), found)
    )
    assert after <= before * (1 + 1e-6)
