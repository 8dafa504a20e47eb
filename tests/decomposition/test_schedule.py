"""Epochs, passes and the learning rate."""

import pytest

from skdict.decomposition._schedule import BlockSchedule, Schedule, count_steps


def rates(schedule, n_batches):
    """Go through all epochs in so many batches, and return the rate of each batch."""
    seen = []
    while schedule.n_iter < schedule.total:
        for _ in range(n_batches):
            seen.append(schedule.rate)
            schedule.rows_here += schedule.n_rows // n_batches
        schedule.n_iter, schedule.rows_here = schedule.n_iter + 1, 0
    return seen


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "expected"),
    [
        (1000, 10, (100, 1)),
        (1000, 1000, (100, 100)),
        (1001, 100, (110, 10)),
        (10**6, 10, (10**5, 1)),
    ],
)
def test_an_epoch_has_at_least_a_hundred_steps_in_whole_passes(n_rows, batch_size, expected):
    assert count_steps(n_rows, batch_size) == expected


def test_the_rate_falls_linearly_over_the_last_fifth():
    seen = rates(Schedule(1000, 10, max_iter=10), n_batches=10)
    assert seen[:81] == [1.0] * 81
    assert seen[80:] == pytest.approx([1 - i / 20 for i in range(20)])


def test_falling_now_ends_a_fifth_later_and_never_after_max_iter():
    schedule = Schedule(1000, 10, max_iter=20)
    schedule.n_iter = 8
    assert not schedule.is_falling
    schedule.fall_now()
    assert schedule.total == 10
    assert not schedule.is_falling
    schedule.n_iter = 9
    assert schedule.is_falling
    late = Schedule(1000, 10, max_iter=20)
    late.n_iter = 19
    late.fall_now()
    assert late.total == 20


def test_a_block_is_one_pass_at_the_full_rate():
    schedule = BlockSchedule(1001, 100)
    assert (schedule.steps, schedule.passes, schedule.total) == (11, 1, 1)
    assert rates(schedule, n_batches=7) == [1.0] * 7
    assert schedule.share_left == 1.0
