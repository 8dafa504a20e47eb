"""Do neighbouring layers help? Dictionaries of SmolLM2's layers 8, 9 and 10, fitted in three ways.

Separate dictionaries from random starts, each from the one below, and one crosscoder of all layers
see as many rows in as many steps in total: the crosscoder takes the steps of all three. For each
layer and seed: FVU of held-out documents at L0 32, features that fire on them, agreement between
seeds (mean cosine of directions matched one to one), and the first step at which training reaches
the final FVU of the separate dictionary, 2 % more allowed. The FVU of a crosscoder in training is a
mean over layers, so its goal is that of all. Seconds are of processor time, for all layers. Needs
what real_layers.py needs. Fits are recorded one by one, so that a stopped run resumes.

Run: python tests/benchmarks/neighbouring_layers.py wikitext2-test.txt --cache FOLDER --record FILE
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
from measuring import print_table
from real_layers import read_rows, split

from skdict import InterpretabilityScorer, SparseDictionaryAutoencoder
from skdict.decomposition import block_transcoder, dictionary_atoms, fit_layers
from skdict.feature_extraction import join_activations
from skdict.metrics import max_cosine_similarity

METHODS = ("separate", "from below", "crosscoder")
SLACK = 1.02


def new(args, seed, **options):
    """Return an unfitted dictionary."""
    shared = {"activation": "batch_topk", "target_l0": args.target_l0, "max_iter": args.epochs}
    shared |= {"random_state": seed}
    return SparseDictionaryAutoencoder(args.n_components, **shared | options)


def fit(method, train, args, seed):
    """Return the fitted dictionary of each layer, or the crosscoder under each name."""
    if method != "crosscoder":
        return fit_layers(new(args, seed), train, from_below=method == "from below")
    rows, blocks = join_activations(train)
    # As many steps as the separate dictionaries take together.
    options = {"blocks": blocks, "max_iter": args.epochs * len(blocks)}
    return dict.fromkeys(train, new(args, seed, **options).fit(rows))


def measure(method, fitted, test, args, seed):
    """Return a record for each layer, and the decoder directions of each."""
    records, directions = [], {}
    joined, _ = join_activations(test)
    scorer = InterpretabilityScorer(n_features=args.n_scored)
    for i, (layer, dictionary) in enumerate(fitted.items()):
        crosses = method == "crosscoder"
        part = block_transcoder(dictionary, i) if crosses else dictionary
        rows = (joined, test[layer]) if crosses else (test[layer],)
        codes = part.transform(rows[0])
        fires = np.asarray((codes != 0).sum(axis=0)).ravel()
        directions[layer] = dictionary_atoms(part)
        record = {"method": method, "layer": layer, "seed": seed}
        record |= {"fvu": float(1 - part.score(*rows)), "l0": float(fires.sum() / len(rows[0]))}
        record |= {"living": int((fires > 0).sum()), "score": float(scorer(part, rows[0]))}
        record["history"] = [[entry["step"], entry["fvu"]] for entry in dictionary.history_]
        records.append(record)
    return records, directions


def first_step_at(history, goal):
    """Return the first step at which the FVU in training reaches a goal, or None."""
    return next((step for step, fvu in history if fvu <= goal), None)


def goal_of(done, record):
    """Return the FVU that a fit must reach: in training, a crosscoder's is that of all layers."""
    crosses = record["method"] == "crosscoder"
    finals = [
        r["history"][-1][1]
        for r in done
        if (r["method"], r["seed"]) == ("separate", record["seed"])
        and (crosses or r["layer"] == record["layer"])
    ]
    return SLACK * np.mean(finals)


def table(done, saved, args):
    """Return one row of the table for each method and layer, as means over seeds."""
    rows = []
    for method, layer in itertools.product(METHODS, args.hook_points):
        here = [r for r in done if (r["method"], r["layer"]) == (method, layer)]
        steps = [first_step_at(r["history"], goal_of(done, r)) for r in here]
        means = [np.mean([r[name] for r in here]) for name in ("fvu", "l0", "living", "score")]
        reached = "never" if None in steps else f"{np.mean(steps):.0f}"
        agreement = agreement_of([saved / f"{method} {layer} {seed}.npy" for seed in args.seeds])
        seconds = np.mean([r["seconds"] for r in here])
        rows.append([method, layer, *means, agreement, reached, seconds])
    return rows


def agreement_of(paths):
    """Return the mean cosine of matched directions of each pair of seeds."""
    pairs = itertools.combinations(map(np.load, paths), 2)
    cosines = [max_cosine_similarity(*pair, one_to_one=True).mean() for pair in pairs]
    return float(np.mean(cosines)) if cosines else float("nan")


def main():
    """Print one line for each method and layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--record", required=True, type=Path, help="file of records")
    parser.add_argument("--layers", type=int, nargs="+", default=[8, 9, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--n-components", type=int, default=2304)
    parser.add_argument("--target-l0", type=float, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--n-scored", type=int, default=100)
    args = parser.parse_args()
    args.hook_points = [f"resid_post.{layer}" for layer in args.layers]
    sides = {name: split(acts) for name, acts in read_rows(args).items()}
    train, test = ({name: pair[i] for name, pair in sides.items()} for i in (0, 1))
    done = [json.loads(line) for line in args.record.open()] if args.record.exists() else []
    for seed, method in itertools.product(args.seeds, METHODS):
        if any((r["method"], r["seed"]) == (method, seed) for r in done):
            continue
        start = time.process_time()
        fitted = fit(method, train, args, seed)
        seconds = time.process_time() - start
        records, directions = measure(method, fitted, test, args, seed)
        for layer, found in directions.items():
            np.save(args.record.parent / f"{method} {layer} {seed}.npy", found)
        done += [record | {"seconds": seconds} for record in records]
        args.record.write_text("".join(json.dumps(record) + "\n" for record in done))
        print(seed, method, [record["fvu"] for record in records], flush=True)
    columns = ["method", "layer", "FVU", "L0", "living", "score", "agreement", "steps", "seconds"]
    title = f"{args.n_components} features, L0 {args.target_l0}, seeds {args.seeds}"
    print_table(title, columns, table(done, args.record.parent, args))


if __name__ == "__main__":
    main()
