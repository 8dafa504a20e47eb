"""The training loop calls its observers at the right moments, and resumes from its state."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder
from skdict._core import ALONE
from skdict.decomposition._fit import Fit, run_together
from skdict.decomposition._observers._base import Observer
from skdict.decomposition._observers._convergence import Convergence
from skdict.decomposition._observers._resampling import Resampling
from skdict.decomposition._observers._steering import Steering
from skdict.decomposition._schedule import Schedule
from skdict.decomposition._starts import start_of
from skdict.decomposition._trainers import new_trainer, weights_of
from skdict.decomposition._training_rows import training_rows

sys.path.insert(0, str(Path(__file__).parents[1] / "_core"))
from in_process_group import ThreadGroup, run_in_threads

X = np.random.default_rng(0).standard_normal((640, 6)).astype(np.float32)


def new_fit(observers=(), alpha=0.1, max_iter=3, X=X, group=ALONE, **options):
    options = {"batch_size": 64, "random_state": 0, "device": "cpu"} | options
    sae = SparseDictionaryAutoencoder(12, alpha=alpha, **options)
    rows = training_rows(sae, X)
    rows.group = group
    schedule = Schedule(len(rows), sae.batch_size, max_iter)
    return Fit(
        new_trainer(sae, start_of(sae, rows), rows, schedule),
        rows,
        schedule,
        observers,
    )


class Recorder(Observer):
    """Remembers when it was called, and does something at one of these moments."""

    def __init__(self, act=None):
        self.seen, self._act = [], act

    def __getattribute__(self, name):
        moments = ("before_fit", "before_epoch", "after_read", "after_epoch", "after_fit", "close")
        if name not in moments:
            return super().__getattribute__(name)

        def moment(fit=None, entry=None):
            self.seen.append(name)
            if self._act:
                self._act(name, fit)

        return moment


def test_observers_are_called_at_every_moment():
    recorder = Recorder()
    fit = new_fit([recorder], max_iter=2)
    run_together([fit])
    epoch = ["before_epoch", *["after_read"] * 10, "after_epoch"]
    assert recorder.seen == ["before_fit", *epoch, *epoch, "close", "after_fit"]
    assert len(fit.history) == 20
    assert fit.trainer.n_steps == fit.history[-1]["step"] == 200


def test_what_an_observer_holds_is_released_if_training_fails():
    def fail(name, fit):
        if name == "after_epoch":
            raise KeyboardInterrupt

    failing, other = Recorder(fail), Recorder()
    with pytest.raises(KeyboardInterrupt):
        run_together([new_fit([other, failing])])
    assert failing.seen[-1] == other.seen[-1] == "close"
    assert "after_fit" not in other.seen


def test_an_observer_can_stop_the_fit():
    def stop(name, fit):
        if name == "after_epoch":
            fit.stopped = fit.schedule.n_iter == 2

    fit = new_fit([Recorder(stop)], max_iter=9)
    run_together([fit])
    assert fit.schedule.n_iter == 2
    assert fit.is_over


def test_fits_run_together_are_those_run_alone():
    alphas = (0.05, 0.4)
    together = [new_fit(alpha=alpha) for alpha in alphas]
    run_together(together)
    for fit, alpha in zip(together, alphas, strict=True):
        alone = new_fit(alpha=alpha)
        run_together([alone])
        assert fit.history == alone.history
        one, other = (weights_of(f.trainer, f.rows) for f in (fit, alone))
        np.testing.assert_array_equal(one.components, other.components)


def all_observers():
    # Every observer that keeps a state: the last three epochs all depend on it.
    return [Steering(2), Resampling(), Convergence(1e-9)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_fit_resumes_from_its_state(after):
    states = {}

    def keep(name, fit):
        if name == "after_epoch":
            arrays, plain = fit.state()
            states[fit.schedule.n_iter] = arrays, json.loads(json.dumps(plain))

    whole = new_fit([*all_observers(), Recorder(keep)], max_iter=5)
    run_together([whole])
    resumed = new_fit(all_observers(), max_iter=5)
    resumed.restore(*states[after])
    run_together([resumed])
    assert resumed.history == whole.history
    one, other = (weights_of(f.trainer, f.rows) for f in (whole, resumed))
    np.testing.assert_array_equal(one.components, other.components)
    np.testing.assert_array_equal(one.encoder_bias, other.encoder_bias)
    states = [[o.state() for o in f.observers[:3]] for f in (whole, resumed)]
    assert states[0] == states[1]


def test_convergence_begins_the_last_fifth():
    fit = new_fit([Convergence(tol=1.0)], max_iter=20)
    run_together([fit])
    # Two epochs to compare, and a fifth of the total after them.
    assert fit.schedule.n_iter == fit.schedule.total == 3


def test_weights_that_are_not_finite_are_refused():
    fit = new_fit(learning_rate=1e30, max_iter=1)
    run_together([fit])
    with pytest.raises(ValueError, match=r"training diverged.*learning_rate \(currently 1e\+30\)"):
        weights_of(fit.trainer, fit.rows)


@pytest.mark.parametrize("tied_weights", [True, False])
def test_two_processes_that_share_batches_fit_as_one(tied_weights):
    rows = X.astype(np.float64)
    # An outlier, so that rows have weights; an odd batch, so that the parts differ.
    rows[5] *= 100
    options = {"X": rows, "tied_weights": tied_weights, "batch_size": 61, "max_iter": 2}

    def train(group):
        fit = new_fit([Resampling()], group=group, **options)
        run_together([fit])
        return weights_of(fit.trainer, fit.rows).attributes(), fit.history

    weights, history = train(ALONE)
    for theirs, their_history in run_in_threads(train, ThreadGroup.of(2)):
        for name, array in weights.items():
            np.testing.assert_allclose(theirs[name], array, rtol=1e-10, atol=1e-10)
        for entry, their_entry in zip(history, their_history, strict=True):
            assert their_entry == pytest.approx(entry, rel=1e-9)
