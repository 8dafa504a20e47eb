"""Recovery of planted features at package defaults, against PCA, FastICA and random directions.

Run: python tests/benchmarks/planted.py [--seeds 5] [--rows 300000] [--ica]
     python tests/benchmarks/planted.py --activation topk --target-l0 5
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.decomposition import PCA, FastICA

from skdict.datasets import make_sparse_features
from skdict.decomposition import (
    RandomDictionary,
    SparseDictionaryAutoencoder,
    dictionary_atoms,
)
from skdict.metrics import feature_recovery, max_cosine_similarity

SETTINGS = {
    "64": {"n_features": 64, "n_components": 128},
    "128": {"n_features": 128, "n_components": 256},
    "512": {"n_features": 512, "n_components": 1024, "decay": 1.0},
}
LEARNED = {"64": 512, "128": 512, "512": 2048}


def both_signs(atoms):
    """Return atoms and their opposites: the methods below know no sign."""
    return np.concatenate([atoms, -atoms])


def measure(name, seed, args):
    """Print one line for each method on one data set."""
    data = make_sparse_features(args.rows, random_state=seed, **SETTINGS[name])
    width = data.X.shape[1]
    sparsity = {"activation": args.activation, "target_l0": args.target_l0}
    methods = {
        "sae": SparseDictionaryAutoencoder(LEARNED[name], random_state=seed, **sparsity),
        "pca": PCA(width, random_state=seed),
        "random": RandomDictionary(LEARNED[name], random_state=seed),
    }
    if args.ica and seed == 0:
        methods["ica"] = FastICA(width, whiten="unit-variance", random_state=seed, max_iter=400)
    for method, estimator in methods.items():
        start = time.perf_counter()
        # FastICA gets fewer rows: it holds all of them several times over in float64.
        estimator.fit(data.X[:100_000] if method == "ica" else data.X)
        seconds = time.perf_counter() - start
        atoms = dictionary_atoms(estimator)
        as_they_are = feature_recovery(atoms, data.components)
        atoms = atoms if method == "sae" else both_signs(atoms)
        recovered = feature_recovery(atoms, data.components)
        similarity = float(max_cosine_similarity(data.components, atoms).mean())
        line = f"width {width:4d}  seed {seed}  {method:7s} recovered {recovered:.4f}"
        line += f" (one sign {as_they_are:.4f})  mmcs {similarity:.4f}  {seconds:6.1f} s"
        if method == "sae":
            last = estimator.history_[-1]
            dead = int((estimator.firing_counts_ == 0).sum())
            line += f"  fvu {last['fvu']:.4f}  l0 {last['l0']:.2f}  dead {dead}"
        print(line, flush=True)


def main():
    """Measure every width and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--ica", action="store_true", help="FastICA too, on the first seed")
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--target-l0", type=int, help="codes a row (default: that of alpha)")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in args.widths:
        for seed in range(args.seeds):
            measure(name, seed, args)


if __name__ == "__main__":
    main()
