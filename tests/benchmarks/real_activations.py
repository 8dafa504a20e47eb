"""Which activation? Dictionaries of a layer of a real model at equal L0, over seeds.

Each dictionary is fitted to four fifths of the documents and measured on the others, as it is and
with its codes refitted. Fits run in several processes of one thread and are recorded one by one,
so that a run that was stopped goes on where it was. Needs what real_layers.py needs.

Run: python tests/benchmarks/real_activations.py wikitext2-test.txt --cache FOLDER --record FILE
Parts: table (kinds, tied or not, seeds), defaults (one change at a time, layers 3, 9 and 15),
seconds (two threads, in turns).
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from real_layers import fit, read_rows, split

from skdict import Activations
from skdict.decomposition import DEFAULTS

N_COMPONENTS = 2304
TARGETS, SEEDS = (12, 32, 64), (0, 1, 2)
LAYER, LAYERS = "resid_post.9", ("resid_post.3", "resid_post.9", "resid_post.15")
KINDS = {
    "L1": {"activation": "relu"},
    "TopK": {"activation": "topk"},
    "BatchTopK": {"activation": "batch_topk"},
    "JumpReLU": {"activation": "jumprelu"},
    "Matryoshka": {"activation": "batch_topk", "matryoshka": [1 / 16, 1 / 4]},
}
CHANGES = (
    {},
    {"learning_rate": 1e-3},
    {"learning_rate": 3e-3},
    {"learning_rate": 6e-3},
    {"bias_init": "zeros"},
    {"dead_features": "ignore"},
    {"dead_features": "resample"},
    {"tied_weights": True},
)
# What the table is compared with: the best before there was another activation.
BASELINE = "L1", False, "refit"


def table_runs(args):
    """Return what is to be fitted for the table."""
    for tied in (False, True):
        for seed in args.seeds:
            for options in KINDS.values():
                for target in TARGETS:
                    yield {
                        "hook_point": LAYER,
                        "seed": seed,
                        "target_l0": target,
                        "options": options | {"tied_weights": tied},
                    }


def defaults_runs(args):
    """Return what is to be fitted to choose defaults."""
    for hook_point in LAYERS:
        for kind in ("L1", "TopK", "BatchTopK", "JumpReLU"):
            base = DEFAULTS[KINDS[kind]["activation"]] | {"tied_weights": False}
            for change in CHANGES:
                if change and change.items() <= base.items():
                    continue
                yield {
                    "hook_point": hook_point,
                    "seed": 0,
                    "target_l0": 32,
                    "options": KINDS[kind] | {"tied_weights": False} | change,
                }


def complete(runs, args):
    """Return the record of each run, those that are missing fitted and recorded first."""
    recorded = {}
    if args.record.exists():
        for line in args.record.read_text().splitlines():
            record = json.loads(line)
            recorded[json.dumps(record["run"], sort_keys=True)] = record
    keys = {json.dumps(run, sort_keys=True): run for run in runs}
    missing = [run for key, run in keys.items() if key not in recorded]
    pool = ProcessPoolExecutor(args.jobs, get_context("spawn"), partial(torch.set_num_threads, 1))
    with pool, args.record.open("a") as file:
        for done in as_completed([pool.submit(measure, run, args.cache) for run in missing]):
            record = done.result()
            recorded[json.dumps(record["run"], sort_keys=True)] = record
            file.write(json.dumps(record) + "\n")
            file.flush()
    return [recorded[key] for key in keys]


def measure(run, cache):
    """Fit one dictionary, and return what came out of it."""
    train, test = split(Activations.load(cache / run["hook_point"]))
    train, test = np.asarray(train), np.asarray(test)
    args = argparse.Namespace(n_components=N_COMPONENTS)
    options = run["options"] | {"target_l0": run["target_l0"], "random_state": run["seed"]}
    sae, seconds, told = fit(train, args, **options)
    silent = int((sae.firing_counts_ == 0).sum())
    record = {"run": run, "seconds": seconds, "silent": silent, "told": told}
    record["plain"] = scores(sae, test)
    sae.refit_codes(train)
    return record | {"refit": scores(sae, test)}


def scores(sae, rows):
    """Return L0, FVU, and FVU without outlier rows."""
    codes = sae.transform(rows)
    errors = np.square(rows - sae.inverse_transform(codes), dtype=np.float64).sum(1)
    inliers = np.linalg.norm(rows - sae.mean_, axis=1) <= sae.outlier_cutoff_

    def fvu(kept):
        center = rows[kept].mean(0, dtype=np.float64)
        return errors[kept].sum() / np.square(rows[kept] - center).sum()

    everywhere = np.ones_like(inliers)
    return {"l0": codes.nnz / len(rows), "fvu": fvu(everywhere), "fvu_inliers": fvu(inliers)}


def at_equal_l0(points, l0, name="fvu"):
    """Return a score at an L0, by a line through the logarithms of neighbouring points."""
    points = sorted(points, key=lambda point: point["l0"])
    x, y = (np.log([point[key] for point in points]) for key in ("l0", name))
    i = int(np.clip(np.searchsorted(x, np.log(l0)) - 1, 0, len(x) - 2))
    slope = (y[i + 1] - y[i]) / (x[i + 1] - x[i])
    return float(np.exp(y[i] + slope * (np.log(l0) - x[i])))


def print_comparison(args):
    """Print FVU at equal L0 by kind, tied or not, refitted or not, over seeds."""
    curves = {}
    for record in complete(table_runs(args), args):
        run = record["run"]
        options = dict(run["options"])
        tied = options.pop("tied_weights")
        kind = next(name for name, value in KINDS.items() if value == options)
        for refitted in ("plain", "refit"):
            seeds = curves.setdefault((kind, tied, refitted), {})
            seeds.setdefault(run["seed"], []).append(record | record[refitted])
    values = {
        key: np.array([[at_equal_l0(c, l0) for l0 in TARGETS] for c in seeds.values()])
        for key, seeds in curves.items()
    }
    table = [
        comparison_row(key, curves[key], values[key], values[BASELINE]) for key in sorted(curves)
    ]
    columns = ["kind", "weights", "codes", *(f"FVU at {l0}" for l0 in TARGETS)]
    columns += [
        "against L1 untied refit (t)",
        "without outliers at 32",
        "silent at 32",
        "L0 for 32",
    ]
    print_table(f"{LAYER}, seeds {list(args.seeds)}", columns, table)


def comparison_row(key, seeds, values, baseline):
    """Return the cells of a row of the table."""
    kind, tied, refitted = key
    mean, error = values.mean(0), values.std(0, ddof=1) / len(values) ** 0.5
    difference = baseline - values
    spread = np.hypot(error, baseline.std(0, ddof=1) / len(values) ** 0.5)
    middle = [next(p for p in c if p["run"]["target_l0"] == TARGETS[1]) for c in seeds.values()]
    return [
        kind,
        "tied" if tied else "untied",
        refitted,
        *(f"{m:.4f} ±{e:.4f}" for m, e in zip(mean, error, strict=True)),
        " ".join(f"{t:+.1f}" for t in difference.mean(0) / np.maximum(spread, 1e-12)),
        f"{np.mean([at_equal_l0(c, TARGETS[1], 'fvu_inliers') for c in seeds.values()]):.4f}",
        " ".join(str(p["silent"]) for p in middle),
        " ".join(f"{p['l0']:.1f}" for p in middle),
    ]


def print_defaults(args):
    """Print what one change makes, by kind and layer."""
    table = []
    for record in complete(defaults_runs(args), args):
        run = record["run"]
        told = ", ".join(f"{name}={value}" for name, value in run["options"].items())
        found = [record[codes][name] for codes in ("plain", "refit") for name in ("fvu", "l0")]
        silent = str(record["silent"])
        table.append([run["hook_point"], told, *found[:3], record["plain"]["fvu_inliers"], silent])
    columns = ["hook point", "options", "FVU", "L0", "FVU refitted", "without outliers", "silent"]
    print_table("One change at a time, target_l0=32, seed 0", columns, table)


def print_seconds(args):
    """Print the seconds of a fit of each kind on all threads, in turns."""
    train = np.asarray(split(Activations.load(args.cache / LAYER))[0])
    shape = argparse.Namespace(n_components=N_COMPONENTS)
    seconds = {}
    for tied in (False, True):
        for kind, options in KINDS.items():
            options = options | {"tied_weights": tied, "target_l0": 32}
            sae, taken, _ = fit(train, shape, **options)
            start = time.perf_counter()
            sae.refit_codes(train)
            weights = "tied" if tied else "untied"
            seconds[kind, weights] = taken, time.perf_counter() - start
    table = [[*name, *taken] for name, taken in seconds.items()]
    print_table("Seconds at target_l0=32", ["kind", "weights", "fit", "refit"], table)


PARTS = {"table": print_comparison, "defaults": print_defaults, "seconds": print_seconds}


def main():
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--record", required=True, type=Path, help="file for what was measured")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    args = parser.parse_args()
    args.hook_points = list(LAYERS)
    read_rows(args)
    for part in args.parts:
        PARTS[part](args)


if __name__ == "__main__":
    main()
