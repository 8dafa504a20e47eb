"""Any number of processes fit the dictionary that one process fits."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.decomposition.shared_fits import CASES, arrays_of, fit_case, fit_planted
from tests.in_processes import run

SCRIPT = Path(__file__).with_name("shared_fits.py")
SIZES = [2, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 4))]


@pytest.fixture(scope="module", params=SIZES)
def shared(request, tmp_path_factory):
    """Run all fits in a group; return the folder with their results and the number of ranks."""
    folder = tmp_path_factory.mktemp(f"by_{request.param}")
    run(SCRIPT, request.param, folder, folder=folder)
    return folder, request.param


@cache
def alone(case):
    """Return the results of one process."""
    return arrays_of(fit_planted(case[8:]) if case.startswith("planted") else fit_case(case))


def results(shared, case, shard):
    """Yield the results of each process."""
    folder, size = shared
    for rank in range(size):
        yield dict(np.load(folder / f"{case}, {shard}, {rank}.npz"))


@pytest.mark.parametrize("shard", ["rows", "components"])
@pytest.mark.parametrize("case", CASES)
def test_any_number_of_processes_fits_as_one(case, shard, shared):
    expected = alone(case)
    for found in results(shared, case, shard):
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-10, err_msg=name)


def test_the_cases_have_what_they_are_for():
    assert max(alone("relu, resampling")["history n_resampled"]) > 0
    assert max(alone("jumprelu, resampling")["history n_resampled"]) > 0
    assert max(alone("transcoder, resampling")["history n_resampled"]) > 0
    assert max(alone("topk, auxk")["history n_dead"][:-10]) > 3
    assert len(set(alone("relu, target_l0")["history alpha"])) > 5
    assert alone("topk")["n_outlier_rows_"] == 1


@pytest.mark.parametrize("shard", ["rows", "components"])
@pytest.mark.parametrize("activation", ["relu", "batch_topk"])
def test_in_float32_fvu_and_l0_agree(activation, shard, shared):
    expected = alone(f"planted {activation}")
    for found in results(shared, f"planted {activation}", shard):
        for name in ("history fvu", "history l0"):
            assert found[name][-1] == pytest.approx(expected[name][-1], rel=5e-3)
