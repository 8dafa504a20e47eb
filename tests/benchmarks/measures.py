"""All measures of ten kinds of dictionary at equal L0, over seeds, on stored activations.

The script fits the dictionaries that are missing in the folder, evaluates all of them on held-out
texts with `evaluate_dictionary`, and prints the table and how far the orderings by different
measures agree. An interrupted run continues.

Run, after `python -m skdict extract --model FOLDER --texts train.txt --out acts`:
    python tests/benchmarks/measures.py --model FOLDER --train acts/resid_post.9 \
        --texts held_out.txt --out measures
    python tests/benchmarks/measures.py --reduced --out measures     (the bundled model, minutes)
"""

import argparse
import re
import resource
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from scipy.stats import spearmanr
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning

from skdict import (
    ActivationExtractor,
    Activations,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    load_stories,
)
from skdict.decomposition import TopKDictionary
from skdict.evaluation import evaluate_dictionary

ICA_ROWS = 20_000
FEWEST_CHARACTERS = 200
REDUCED = {
    "n_components": 256,
    "target_l0": 8,
    "max_iter": 2,
    "n_tokens": 6_000,
    "n_loss_tokens": 500,
}
SPARSE = {
    "L1 tied": {},
    "L1 untied": {"tied_weights": False, "debias": True},
    "TopK": {"activation": "topk"},
    "BatchTopK": {"activation": "batch_topk"},
    "JumpReLU": {"activation": "jumprelu"},
    "Matryoshka": {"activation": "batch_topk", "matryoshka": [1 / 16, 1 / 4]},
}
OTHERS = ("PCA", "ICA", "random", "neurons")
# These do not depend on the seed.
ONE_FIT = ("PCA", "neurons")
# Measures to compare orderings by; True if higher is better.
HEADLINES = {
    "fvu": False,
    "cross_entropy_increase": False,
    "probing_1": True,
    "probing_5": True,
    "absorption": False,
    "main_f1": True,
    "tpp_5": True,
    "stability": True,
}


def fitted(name, train, seed, args):
    """Return a fitted dictionary that keeps about `args.target_l0` codes on each row."""
    if name in SPARSE:
        options = {"n_components": args.n_components, "target_l0": args.target_l0}
        options |= {"max_iter": args.max_iter, "random_state": seed} | SPARSE[name]
        return SparseDictionaryAutoencoder(**options).fit(train)
    others = {
        "PCA": PCA(random_state=0),
        "ICA": FastICA(whiten="unit-variance", max_iter=200, tol=1e-2, random_state=seed),
        "random": RandomDictionary(args.n_components, random_state=seed),
        "neurons": IdentityDictionary(),
    }
    rows = np.random.default_rng(seed).permutation(len(train))[:ICA_ROWS]
    part = np.asarray(train[np.sort(rows)]) if name == "ICA" else train
    whole = others[name].fit(part)
    return TopKDictionary(whole, args.target_l0, prefit=True).fit(train)


def fit_missing(args, train):
    """Return all fits by name, from the folder or fitted now."""
    folder, found = args.out / "dictionaries", {}
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SPARSE, *OTHERS):
        for seed in range(1 if name in ONE_FIT else args.seeds):
            path = folder / f"{name.replace(' ', '_')}-{seed}.joblib"
            if not path.exists():
                start = time.perf_counter()
                dictionary = fitted(name, train, seed, args)
                joblib.dump(dictionary, path)
                print(f"{name}, seed {seed}: fitted in {time.perf_counter() - start:.0f} s")
            found.setdefault(name, []).append(joblib.load(path))
    return found


def print_orderings(table):
    """Print the rank correlations of the orderings of dictionaries by each pair of measures."""
    names = [name for name in HEADLINES if name in table.records[0]]
    signs = [1 if HEADLINES[name] else -1 for name in names]
    values = np.array(
        [[s * r[name] for name, s in zip(names, signs, strict=True)] for r in table.records]
    )
    print("Rank correlation between orderings, best first; nan where fewer than three have both:")
    print(" " * 24 + "".join(f"{name[:10]:>11}" for name in names))
    for i, name in enumerate(names):
        cells = []
        for j in range(len(names)):
            both = np.isfinite(values[:, [i, j]]).all(axis=1)
            pair = values[both][:, [i, j]]
            constant = both.sum() < 3 or (np.ptp(pair, axis=0) == 0).any()
            cells.append(np.nan if constant else spearmanr(*pair.T).statistic)
        print(f"{name:24}" + "".join(f"{cell:11.2f}" for cell in cells))


def sources(args):
    """Return the model, the training rows and the held-out texts."""
    if args.reduced:
        for name, value in REDUCED.items():
            setattr(args, name, value)
        stories = load_stories()
        sampled = stories.texts[1200:1500]
        train = ActivationExtractor(stories.model, "resid_post.2").fit_transform(sampled[:150])
        return stories.model, train, sampled[150:]
    pieces = re.split(r"\n\s*\n", args.texts.read_text("utf-8"))
    texts = [piece.strip() for piece in pieces if len(piece.strip()) > FEWEST_CHARACTERS]
    return args.model, Activations.load(args.train), texts


def main():
    """Fit what is missing, evaluate all, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="folder of the model")
    parser.add_argument("--train", type=Path, help="stored activations to fit on")
    parser.add_argument("--texts", type=Path, help="held-out texts, separated by blank lines")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--reduced", action="store_true", help="small, on the bundled model")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--n-components", type=int, default=2304)
    parser.add_argument("--target-l0", type=int, default=32)
    parser.add_argument("--max-iter", type=int, default=10)
    parser.add_argument("--n-tokens", type=int, default=100_000)
    parser.add_argument("--n-loss-tokens", type=int, default=10_000)
    parser.add_argument("--skip", nargs="*", default=[], help="parts to leave out")
    args = parser.parse_args()
    if not args.reduced and None in (args.model, args.train, args.texts):
        parser.error("pass --model, --train and --texts, or --reduced")
    model, train, texts = sources(args)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = fit_missing(args, train)
    evaluation = evaluate_dictionary(
        fits,
        model,
        texts,
        hook_point=train.metadata["hook_point"],
        n_tokens=args.n_tokens,
        n_loss_tokens=args.n_loss_tokens,
        skip=args.skip,
        folder=args.out,
        verbose=True,
    )
    print(evaluation)
    print_orderings(evaluation.table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - start:.0f} s in all, at most {peak:.0f} MB of memory")


if __name__ == "__main__":
    main()
