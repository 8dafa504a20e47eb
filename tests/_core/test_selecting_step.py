"""Steps of TopK and BatchTopK have the gradient of autograd through a plain selection."""

import math
import sys
from pathlib import Path

import pytest
import torch

from skdict._core._nonlinearities import BatchTopK, TopK
from skdict._core._objectives import Levels

sys.path.insert(0, str(Path(__file__).parent))
from reference_step import (
    WAYS,
    assert_gradients,
    autograd,
    make_rows,
    make_tensors,
    make_weights,
    step,
)

KINDS = {"topk": TopK, "batch_topk": BatchTopK}


def plain_selection(kind, k, eligible):
    """Return a function from codes to the mask of those that are kept, by sorting lists."""

    def of_entries(entries, count):
        # From large to small; ties in the order of rows, then of features.
        ordered = sorted(entries, key=lambda entry: (-entry[0], entry[1], entry[2]))
        return [(i, j) for value, i, j in ordered[:count] if value > 0]

    def select(codes):
        mask = torch.zeros_like(codes)
        rows = [[(v, i, j) for j, v in enumerate(row)] for i, row in enumerate(codes.tolist())]
        if kind == "topk":
            kept = [place for row in rows for place in of_entries(row, k)]
        else:
            taken = [row for row, of in zip(rows, eligible.tolist(), strict=True) if of]
            count = math.floor(k * len(taken))
            kept = of_entries([entry for row in taken for entry in row], count)
            least = min((codes[i, j].item() for i, j in kept), default=math.inf)
            others = [row for row, of in zip(rows, eligible.tolist(), strict=True) if not of]
            kept += [(i, j) for row in others for v, i, j in row if v >= least]
        for i, j in kept:
            mask[i, j] = 1
        return mask

    return select


def check(way, kind, k, x, tensors, levels=None, weights=None):
    weights = make_weights(len(x), x.dtype) if weights is None else weights
    select = plain_selection(kind, k, weights == 1)

    def activation(pre):
        return torch.relu(pre) * select(pre.detach())

    loss, gradients, codes = autograd(x, tensors, 0.0, weights, levels, activation)
    sums, adam = step(
        way, x, tensors, 0.0, weights=weights, levels=levels, nonlinearity=KINDS[kind](k)
    )
    assert sums.n_fired.tolist() == (codes > 0).sum(0).tolist()
    if levels is None:
        assert (weights * sums.squared_errors).mean() == pytest.approx(loss.item())
    assert_gradients(adam, gradients)
    return codes


CASES = {
    "some": (60, 40, 8, 5, 0.0),
    "a fraction": (60, 40, 8, 0.37, 0.0),
    "k of one": (60, 40, 8, 1, 0.0),
    "k of all": (30, 12, 6, 12, 0.0),
    "fewer positive than k": (60, 40, 8, 9, -2.5),
    "none positive": (60, 40, 8, 9, -100.0),
    "one row": (1, 40, 8, 3, 0.0),
    "one of all": (1, 1, 1, 1, 0.5),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_autograd(case, kind, tied, way):
    n, m, d, k, bias = CASES[case]
    if kind == "topk" and k != int(k):
        pytest.skip("of a row there is no fraction")
    check(way, kind, k, make_rows(n, d), make_tensors(m, d, tied, bias))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_nested_prefixes_equals_autograd(kind, way):
    levels = Levels((7, 40), (0.3, 0.7))
    check(way, kind, 5, make_rows(60, 8), make_tensors(40, 8, False, 0.0), levels)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 3, 4, 6])
def test_ties_go_to_the_lower_row_then_the_lower_feature(k, kind, way):
    # Directions in pairs, rows in pairs: every pre-activation is there four times.
    tensors = make_tensors(12, 6, False, 0.0)
    for name in ("components", "encoder"):
        tensors[name][1::2] = tensors[name][::2]
    tensors.encoder.copy_((4 * tensors.encoder).round() / 4)
    x = make_rows(10, 6, seed=2)
    x = (4 * x).round() / 4
    x[1::2] = x[::2]
    codes = check(way, kind, k, x, tensors, weights=x.new_ones(10))
    if k == 3:
        # The last of them is cut out of a tie.
        twins = (
            (codes[::2], codes[1::2]) if kind == "batch_topk" else (codes[:, ::2], codes[:, 1::2])
        )
        assert not torch.equal(*twins)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_feature_that_is_never_selected_stays(kind, way):
    tensors = make_tensors(30, 12, True, 0.0)
    tensors.bias[4] = -1e3
    before = tensors.components[4].clone()
    sums, _ = step(way, make_rows(50, 12), tensors, 0.0, 1e-2, nonlinearity=KINDS[kind](3))
    assert sums.n_fired[4] == 0
    torch.testing.assert_close(tensors.components[4], before, rtol=1e-15, atol=1e-15)
    assert tensors.bias[4] == -1e3


@pytest.mark.parametrize("screened", ["int8", "bfloat16", "full"])
@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("kind", KINDS)
def test_screening_changes_no_bit(kind, way, screened):
    x = make_rows(200, 40, dtype=torch.float32)
    results = []
    for narrow in (screened, "full"):
        tensors = make_tensors(100, 40, True, 0.0, torch.float32)
        nonlinearity = KINDS[kind](7)
        sums, adam = step(way, x, tensors, 0.0, 1e-2, narrow, nonlinearity=nonlinearity)
        moments = (*adam.first.values(), *adam.second.values())
        results.append([*tensors.values(), *moments, *sums])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
