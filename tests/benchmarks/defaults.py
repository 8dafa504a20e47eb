"""What each default does: one changed at a time, on planted data and on a real model.

Run: python tests/benchmarks/defaults.py [--rows 300000] [--seeds 3]
"""

import argparse
import time
import warnings

import numpy as np

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.datasets import make_sparse_features
from skdict.metrics import feature_recovery

CHANGES = (
    {},
    {"alpha": 0.05},
    {"alpha": 0.2},
    {"alpha": 0.5},
    {"learning_rate": 1e-3},
    {"learning_rate": 1e-2},
    {"batch_size": 256},
    {"batch_size": 4096},
    {"max_iter": 3},
    {"bias_init": "zeros"},
    {"rescale": False},
    {"tied_weights": False},
    {"precision": "bfloat16"},
)


def fit(X, change, seed, n_components=512):
    """Return a fitted dictionary and the seconds it took."""
    start = time.perf_counter()
    sae = SparseDictionaryAutoencoder(n_components, random_state=seed, **change).fit(X)
    return sae, time.perf_counter() - start


def show(change, rows):
    """Print means over seeds, and the spread of the first column."""
    table = np.array(rows)
    name = ", ".join(f"{key}={value}" for key, value in change.items()) or "defaults"
    cells = "  ".join(f"{value:8.4g}" for value in table.mean(axis=0))
    print(f"{name:24s}  {cells}   +- {np.ptp(table[:, 0]) / 2:.3g}", flush=True)


def planted(args):
    """Recovery on planted data: width 128, 256 features, 5 active."""
    print("planted: recovered, fvu, l0, dead, seconds; half the range of recovered")
    for change in CHANGES:
        rows = []
        for seed in range(args.seeds):
            data = make_sparse_features(args.rows, random_state=seed)
            sae, seconds = fit(data.X, change, seed)
            last = sae.history_[-1]
            recovered = feature_recovery(sae.components_, data.components)
            dead = int((sae.firing_counts_ == 0).sum())
            rows.append([recovered, last["fvu"], last["l0"], dead, seconds])
        show(change, rows)


def real(args):
    """FVU, L0 and dead features on held-out rows of the bundled model."""
    stories = load_stories()
    acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(stories.texts)
    held_out = acts.documents % 5 == 4
    train, test = acts[~held_out], acts[held_out]
    print(f"bundled model, {train.shape} rows: fvu, l0, dead, loss, seconds; half the range of fvu")
    for change in CHANGES:
        rows = []
        for seed in range(args.seeds):
            sae, seconds = fit(train, change, seed)
            codes = sae.transform(test)
            dead = int((np.bincount(codes.indices, minlength=512) == 0).sum())
            loss = sae.history_[-1]["loss"]
            rows.append([1 - sae.score(test), codes.nnz / len(test), dead, loss, seconds])
        show(change, rows)


def main():
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    planted(args)
    real(args)


if __name__ == "__main__":
    main()
