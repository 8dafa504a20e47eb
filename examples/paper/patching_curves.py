"""KL against features patched and against the size of the edit, for dictionaries and baselines.

Writes patching_curves.csv, one row for each point, and patching_curves_<task>.png. With the
bundled model:

    python examples/paper/patching_curves.py --out curves/ --layers 0 1 2 3 4

Without --model the bundled one is read; --text takes a file of texts, one a line, to fit on.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA, FastICA

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    load_stories,
)
from skdict.datasets import make_agreement, make_ioi, make_pronouns
from skdict.interventions import patching_curve
from skdict.models import load_model

TASKS = {"ioi": make_ioi, "pronouns": make_pronouns, "agreement": make_agreement}
COLUMNS = (
    "n_patched",
    "kl",
    "reverse_kl",
    "logit_diff",
    "edit_magnitude",
    "relative_edit_magnitude",
)


def dictionaries(rows, alphas, seed):
    """Return fitted dictionaries by name."""
    width = rows.shape[1]
    unfitted = {
        f"sae {alpha:g}": SparseDictionaryAutoencoder(
            4 * width, alpha=alpha, max_iter=4, random_state=seed
        )
        for alpha in (*alphas, 0.0)
    }
    unfitted |= {
        "pca": PCA(random_state=seed),
        "ica": FastICA(whiten="unit-variance", max_iter=200, tol=1e-3, random_state=seed),
        "random": RandomDictionary(4 * width, random_state=seed),
        "neurons": IdentityDictionary(),
    }
    return {name: dictionary.fit(rows) for name, dictionary in unfitted.items()}


def curves_of(dictionary, label, args, tasks):
    """Yield a record for each point of each task's curve."""
    for task in args.tasks:
        curve = patching_curve(
            args.model,
            f"resid_post.{label['layer']}",
            dictionary,
            tasks[task, label["seed"]],
            order=args.order,
            n_steps=5,
            n_patched=args.counts,
        )
        ends = {key: curve[key] for key in ("kl_base", "kl_error", "n_features_90", "area")}
        ends["n_differing"] = len(curve.order)
        for index in range(len(curve.n_patched)):
            point = {c: float(curve[c][index]) for c in COLUMNS}
            yield label | {"task": task} | point | ends


def draw(records, task, args):
    """Draw a row of two panels for each layer: mean KL over seeds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(args.layers), 2, figsize=(10, 3.2 * len(args.layers)), squeeze=False, sharey="row"
    )
    names = list(dict.fromkeys(r["dictionary"] for r in records))
    for row, layer in zip(axes, args.layers, strict=True):
        for number, name in enumerate(names):
            here = [
                r
                for r in records
                if (r["task"], r["layer"], r["dictionary"]) == (task, layer, name)
            ]
            counts = sorted({r["n_patched"] for r in here})
            means = {
                c: [np.mean([r[c] for r in here if r["n_patched"] == k]) for k in counts]
                for c in ("kl", "relative_edit_magnitude")
            }
            style = {"color": f"C{number}", "marker": "o", "markersize": 3, "label": name}
            style["linestyle"] = "-" if name.startswith("sae") else "--"
            row[0].plot(counts, means["kl"], **style)
            row[1].plot(means["relative_edit_magnitude"], means["kl"], **style)
        row[0].set(xscale="symlog", ylabel="KL(patched || target), nats", title=f"layer {layer}")
        row[1].set(title=f"layer {layer}")
    axes[-1][0].set_xlabel("features patched")
    axes[-1][1].set_xlabel("edit magnitude relative to the target's")
    axes[0][1].legend(fontsize=7, ncol=2)
    figure.suptitle(f"{task}: {args.pairs} pairs, {args.seeds} seeds, order {args.order}")
    figure.tight_layout()
    figure.savefig(args.out / f"patching_curves_{task}.png", dpi=110)
    plt.close(figure)


def write(records, args):
    """Write the table and the figures of what is there, beside and renamed."""
    path = args.out / "patching_curves.csv"
    with open(path.with_suffix(".part"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    path.with_suffix(".part").replace(path)
    for task in args.tasks:
        draw(records, task, args)


def main():
    """Read the arguments, run, write the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(load_stories().model))
    parser.add_argument("--text", help="file of texts to fit on, one a line")
    parser.add_argument("--texts", type=int, default=1000, help="how many of them are read")
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.03, 0.1, 0.2, 0.4])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--order", default="integrated_gradients")
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = load_stories().texts if args.text is None else open(args.text).read().splitlines()
    texts = [text for text in texts if text.strip()][: args.texts]
    tokenizer = load_model(args.model, device=torch.device("cpu"))[1]
    tasks = {
        (task, seed): TASKS[task](args.pairs, tokenizer, random_state=seed)
        for task in args.tasks
        for seed in range(args.seeds)
    }
    start, records = time.perf_counter(), []
    for layer in args.layers:
        extractor = ActivationExtractor(args.model, f"resid_post.{layer}")
        rows = np.asarray(extractor.transform(texts))
        for seed in range(args.seeds):
            chosen = np.random.default_rng(seed).permutation(len(rows))[: args.rows]
            for name, dictionary in dictionaries(rows[chosen], args.alphas, seed).items():
                label = {"layer": layer, "seed": seed, "dictionary": name}
                records += curves_of(dictionary, label, args, tasks)
            write(records, args)
            seconds = time.perf_counter() - start
            print(f"layer {layer}, seed {seed}: {seconds:.0f} s so far", flush=True)


if __name__ == "__main__":
    main()
