"""Fits that several processes share; run alone and in process groups by test_shared_fits.py."""

import sys
import warnings
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist

from skdict import SparseDictionaryAutoencoder, SparseTranscoder
from skdict._core import _resampling, calibrate_bias
from skdict.datasets import make_sparse_features
from skdict.decomposition import _starts
from skdict.decomposition._schedule import Schedule

JUMPRELU = {"activation": "jumprelu", "target_l0": 3}
TOPK = {"activation": "topk", "target_l0": 3}
BATCH_TOPK = {"activation": "batch_topk", "target_l0": 2.5}
# A penalty and a rate that kill features at once.
RESAMPLE = {"alpha": 6.0, "dead_features": "resample", "learning_rate": 0.05}
CASES = {
    "relu": {},
    "relu, untied": {"tied_weights": False},
    "relu, target_l0": {"target_l0": 3},
    "relu, resampling": RESAMPLE | {"tied_weights": False},
    "relu, blocks": {"blocks": [2, 1, 3]},
    "relu, nested": {"matryoshka": [3, 8]},
    "topk": TOPK,
    "topk, tied": TOPK | {"tied_weights": True},
    "topk, auxk": TOPK | {"target_l0": 1, "n_components": 150},
    "batch_topk": BATCH_TOPK,
    "batch_topk, tied": BATCH_TOPK | {"tied_weights": True},
    "batch_topk, nested": BATCH_TOPK | {"matryoshka": [0.2, 0.5]},
    "batch_topk, blocks": BATCH_TOPK | {"blocks": [4, 2]},
    "jumprelu": JUMPRELU,
    "jumprelu, tied": JUMPRELU | {"tied_weights": True},
    "jumprelu, resampling": JUMPRELU | RESAMPLE | {"target_l0": 0.2, "n_components": 61},
    "transcoder": TOPK | {"kind": SparseTranscoder, "skip_connection": True},
    "transcoder, resampling": RESAMPLE | {"kind": SparseTranscoder, "n_components": 61},
}


def off_the_rows(*options):
    """Return calibrated biases, raised a little.

    They put a sampled row exactly on the threshold of each feature, where rounding would decide
    whether it fires. No other row comes so near in 50 steps.
    """
    return calibrate_bias(*options) + 1e-6


@contextmanager
def short_and_without_ties(min_steps):
    """Shorten epochs, and keep rows off the thresholds."""
    with (
        mock.patch.object(Schedule, "min_steps", min_steps),
        mock.patch.object(_starts, "calibrate_bias", off_the_rows),
        mock.patch.object(_resampling, "calibrate_bias", off_the_rows),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def rows_of(case):
    """Return float64 rows, and targets for a transcoder; one row is an outlier."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((643, 6))
    X[5] *= 100
    y = np.tanh(X @ rng.standard_normal((6, 5)))
    return (X, y) if case.startswith("transcoder") else (X,)


def fit_case(case, shard=None, **changed):
    """Return an estimator after about 50 steps on batches of unequal size."""
    options = {"n_components": 13, "batch_size": 65, "max_iter": 5, "kind": None} | CASES[case]
    kind = options.pop("kind") or SparseDictionaryAutoencoder
    options |= {"random_state": 0, "device": "cpu", "shard": shard} | changed
    with short_and_without_ties(min_steps=10):
        return kind(**options).fit(*rows_of(case))


def planted():
    """Return float32 rows of planted features."""
    return make_sparse_features(1000, n_features=24, n_components=48, random_state=0).X


def fit_planted(activation, shard=None):
    """Return an estimator after a whole fit in float32."""
    options = {"target_l0": 6} if activation == "batch_topk" else {"alpha": 0.2}
    options |= {"max_iter": 4, "random_state": 0, "shard": shard}
    with short_and_without_ties(min_steps=30):
        return SparseDictionaryAutoencoder(
            64, activation=activation, batch_size=100, **options
        ).fit(planted())


def arrays_of(estimator):
    """Return the fitted arrays and numbers by name."""
    found = {n: v for n, v in vars(estimator).items() if isinstance(v, (np.ndarray, int, float))}
    found = {
        name: v for name, v in found.items() if name.endswith("_") and name != "n_features_in_"
    }
    return found | {
        f"history {k}": [e[k] for e in estimator.history_] for k in estimator.history_[0]
    }


def main(folder):
    """Fit all cases in a process group and write the results of this process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    for shard in ("rows", "components"):
        for case in CASES:
            found = arrays_of(fit_case(case, shard))
            np.savez(f"{folder}/{case}, {shard}, {dist.get_rank()}.npz", **found)
        for activation in ("relu", "batch_topk"):
            found = arrays_of(fit_planted(activation, shard))
            np.savez(f"{folder}/planted {activation}, {shard}, {dist.get_rank()}.npz", **found)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
