"""The sparse dictionary and the baselines at equal numbers of active codes, layer by layer.

Each cell has the mean FVU over seeds with its 95 % interval, once with the codes as they are
and once with one least-squares gain, so that no method pays for what the cut takes away.

Run: python tests/benchmarks/equal_l0.py --model FOLDER --train stories.txt --test other.txt
"""

import argparse
import itertools
import warnings

import numpy as np
from layers import read
from sklearn.decomposition import PCA, FastICA
from sklearn.random_projection import GaussianRandomProjection

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
)
from skdict.decomposition import TopKDictionary
from skdict.metrics import compare_dictionaries
from skdict.metrics._compare import mean_interval

CUTS = (4, 8, 16)
ALPHAS = (0.05, 0.1, 0.2, 0.5)


def methods(width, seed):
    """Return unfitted dictionaries by name."""
    saes = {f"sae {a}": SparseDictionaryAutoencoder(4 * width, alpha=a) for a in ALPHAS}
    projection = GaussianRandomProjection(width, compute_inverse_components=True)
    others = {
        "pca": PCA(width),
        "ica": FastICA(width, whiten="unit-variance", max_iter=400),
        "projection": projection,
        "random": RandomDictionary(4 * width),
        "neurons": IdentityDictionary(),
    }
    named = saes | others
    return {
        name: m.set_params(random_state=seed) if "random_state" in m.get_params() else m
        for name, m in named.items()
    }


def measure_layer(layer, args, texts):
    """Print both tables of a layer."""
    extractor = ActivationExtractor(args.model, f"resid_post.{layer}", max_length=512)
    train, test = (np.asarray(extractor.transform(part)) for part in texts)
    plain, gained = {}, {}
    for seed in range(args.seeds):
        fitted = {name: m.fit(train) for name, m in methods(train.shape[1], seed).items()}
        table = compare_dictionaries(fitted, None, test, n_active=CUTS)
        for record in table.records:
            key = record["dictionary"], record["n_active"]
            plain.setdefault(key, []).append(record["fvu"])
        for name, k in itertools.product(fitted, CUTS):
            cut = TopKDictionary(fitted[name], k, gain=True).fit(train[:20_000])
            record = compare_dictionaries({"cut": cut}, None, test)["cut"]
            gained.setdefault((name, k), []).append(record["fvu"])
    print(f"layer {layer}: {train.shape} train, {test.shape} test, {args.seeds} seeds")
    for title, errors in (("as they are", plain), ("with one gain", gained)):
        print(f"  {title}: FVU at {', '.join(map(str, CUTS))} codes a row")
        for name in fitted:
            print(f"  {name:12s} " + "   ".join(cell(errors[name, k]) for k in CUTS), flush=True)


def cell(values):
    """Return the mean of values and its 95 % interval over seeds as text."""
    low, high = mean_interval(values)
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def main():
    """Measure every layer asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--texts", type=int, default=600, help="pieces of text to train on")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    texts = read(args.train, 800)[: args.texts], read(args.test, 800)
    for layer in args.layers:
        measure_layer(layer, args, texts)


if __name__ == "__main__":
    main()
