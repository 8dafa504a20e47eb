"""Screening misses no active code, whatever rows and directions look like."""

import numpy as np
import pytest
import torch

from skdict._core._backends.compiled_finder import (
    CompiledFinder,
    is_compiled,
    round_rows_compiled,
)
from skdict._core._backends.portable import PortableFinder
from skdict._core._screening.bounds import KINDS, Screen, round_rows
from skdict._core._screening.search import Search
from skdict._core._selection import largest_of_batch

FINDERS = [PortableFinder] + [CompiledFinder] * is_compiled()
ROWS = {
    "plain": lambda r: r.standard_normal((300, 40)),
    "outlier dimension": lambda r: r.standard_normal((300, 40)) * np.r_[1e3, np.ones(39)],
    "outlier rows": lambda r: r.standard_normal((300, 40)) * np.r_[1e4, np.ones(299)][:, None],
    "tiny": lambda r: 1e-18 * r.standard_normal((300, 40)),
    "huge": lambda r: 1e15 * r.standard_normal((300, 40)),
    "zeros among them": lambda r: r.standard_normal((300, 40)) * (np.arange(300) % 3 > 0)[:, None],
    "sparse": lambda r: r.standard_normal((300, 40)) * (r.random((300, 40)) < 0.1),
    "one row": lambda r: r.standard_normal((1, 40)),
    "few distinct": lambda r: r.integers(-1, 2, (300, 40)).astype(float),
}


def make(rows, seed=0, dtype=torch.float32):
    """Return rows, an encoder of uneven lengths, and biases near the middle of the products."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(ROWS[rows](rng), dtype=dtype)
    encoder = torch.tensor(
        rng.standard_normal((77, 40)) * rng.uniform(0.1, 3, (77, 1)), dtype=dtype
    )
    encoder[5] = 0
    quantile = torch.quantile((x @ encoder.T).flatten()[:100_000], 0.9)
    bias = -quantile * torch.tensor(rng.uniform(-0.2, 1.5, 77), dtype=dtype)
    return x, encoder, bias


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cutoff", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("rows", ROWS)
def test_entries_are_those_of_float64(rows, cutoff, kind, finder):
    x, encoder, bias = make(rows)
    # The bias is shifted with the cutoff, so that as many entries pass whatever the cutoff.
    cutoff = cutoff * bias.abs()
    bias = bias + cutoff
    screen = Screen(encoder, bias, kind)
    codes = finder().above(x, encoder, bias, cutoff, screen).to_dense(77)
    pre = x.double() @ encoder.double().T + bias.double()
    exact = pre.where(pre > cutoff, 0)
    # Float32 sums of 40 products, each as large as the lengths allow.
    rounding = 1e-5 * (x.double().norm(dim=1)[:, None] * encoder.double().norm(dim=1))
    rounding = rounding + 1e-6 * bias.abs() + 1e-30
    at_cutoff = (pre - cutoff).abs() <= rounding
    assert (((codes - exact).abs() <= rounding) | at_cutoff).all()
    assert 0 < (exact != 0).double().mean() < 1


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 9, 77])
@pytest.mark.parametrize("rows", ROWS)
def test_largest_entries_are_those_of_float64(rows, k, kind, finder):
    x, encoder, bias = make(rows)
    codes = finder().largest(x, encoder, bias, k, Screen(encoder, bias, kind)).to_dense(77)
    pre = x.double() @ encoder.double().T + bias.double()
    cutoff = pre.topk(k).values[:, -1:].clamp(min=0)
    exact = pre.where((pre >= cutoff) & (pre > 0), 0)
    rounding = 1e-5 * (x.double().norm(dim=1)[:, None] * encoder.double().norm(dim=1))
    rounding = rounding + 1e-6 * bias.abs() + 1e-30
    at_cutoff = (pre - cutoff).abs() <= 2 * rounding
    assert (((codes - exact).abs() <= rounding) | at_cutoff).all()
    assert torch.equal((codes > 0).sum(1), (pre > 0).sum(1).clamp(max=k)) or at_cutoff.any()
    assert ((codes > 0).sum(1) <= k).all()


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("guess", [0.0, 1e-9, 0.99, 1.01, 50.0, 1e30])
@pytest.mark.parametrize("k", [0.001, 0.4, 9.3, 77])
def test_the_largest_of_a_batch_do_not_depend_on_the_guess(k, guess, finder):
    x, encoder, bias = make("plain")
    eligible = torch.arange(len(x)) % 9 != 0
    pre = torch.addmm(bias, x, encoder.T)
    reach = pre[eligible].flatten().sort(descending=True).values
    known = {"cutoff": float(guess * reach[min(int(k * eligible.sum()), len(reach) - 1)].abs())}
    screen = Screen(encoder, bias, "int8")
    search = Search(finder(), x, encoder, bias, screen, eligible, known=known)
    found = search.largest_of_batch(k).to_dense(77)
    torch.testing.assert_close(found, pre.where(largest_of_batch(pre, k, eligible), 0))


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_not_finite_do_no_harm_to_others(kind, finder):
    x, encoder, bias = make("plain")
    part = x[:64]
    clean = finder().largest(part, encoder, bias, 5, Screen(encoder, bias, kind)).to_dense(77)
    part[3], part[7, 2] = torch.nan, torch.inf
    found = finder().largest(part, encoder, bias, 5, Screen(encoder, bias, kind)).to_dense(77)
    others = ~torch.isin(torch.arange(64), torch.tensor([3, 7]))
    assert torch.equal(found[others], clean[others])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", ROWS)
def test_bound_holds_in_exact_arithmetic(rows, kind):
    x, encoder, _ = make(rows, seed=1)
    for rounded in (round_rows(x, kind), round_rows(x, kind, one_scale=True)):
        w = round_rows(encoder, kind)
        back_x = rounded.values.double() * rounded.scales.double()[:, None]
        back_w = w.values.double() * w.scales.double()[:, None]
        hidden = (x.double() @ encoder.double().T - back_x @ back_w.T).abs()
        lengths = encoder.double().norm(dim=1)
        bound = rounded.lengths.double()[:, None] * w.errors + rounded.errors[:, None] * lengths
        assert (hidden <= bound * (1 + 1e-5) + 1e-30).all()
        torch.testing.assert_close(
            rounded.errors.double(), (x.double() - back_x).norm(dim=1), rtol=1e-4, atol=1e-4
        )


def test_without_its_margin_screening_would_miss_codes():
    x, encoder, _ = make("plain", seed=2)
    exact = x @ encoder.T
    bias = -exact.amax(0) * 0.9999
    no = torch.zeros_like(bias)
    screen = Screen(encoder, bias, "int8")
    screen.row_margins = lambda rows: torch.zeros_like(rows.lengths)
    screen.rounded.errors.zero_()
    screen.column_bounds = lambda cutoff: bias
    found = PortableFinder().above(x, encoder, bias, no, screen)
    assert len(found.values) < (exact + bias > 0).sum()


@pytest.mark.skipif(not is_compiled(), reason="numba is not installed")
def test_compiled_rounding_is_the_same():
    x, _, _ = make("outlier dimension")
    one, other = round_rows(x, "int8"), round_rows_compiled(x, "int8")
    assert (one.values.int() - other.values.int()).abs().max() <= 1
    for name in ("scales", "lengths", "errors"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("finder", FINDERS)
def test_codes_do_not_depend_on_their_batch(finder):
    x, encoder, bias = make("outlier rows")
    no = torch.zeros_like(bias)
    screen = Screen(encoder, bias, "int8")
    whole = finder().above(x, encoder, bias, no, screen).to_dense(77)
    single = [finder().above(row[None], encoder, bias, no, screen).to_dense(77) for row in x[:20]]
    assert torch.equal(whole[:20], torch.cat(single))
