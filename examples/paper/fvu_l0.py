"""
How much variance do a few codes explain?
=========================================

The fraction of variance unexplained (FVU) against L0, over alpha (Cunningham et al., 2023, figure
6, for the first MLP) and over epochs (figure 7), on held-out activations. The baselines are ICA,
PCA, random directions and the neuron basis, cut on each row to as many codes as the dictionary uses
on average, with one least-squares gain that compensates for the cut::

    python examples/paper/fvu_l0.py --out paper

The penalty shrinks codes, which only costs the sparse dictionary and is not compensated. Also
writes ``fvu_l0_epochs_summary.csv``, with FVU and L0 by number of epochs.
"""

import numpy as np
from common import (
    LABELS,
    STYLES,
    fitted_baselines,
    paper_parser,
    read_model,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, sparse_dictionary_path
from skdict.decomposition import TopKDictionary
from skdict.metrics import fvu

BASELINES = ("ica", "pca", "random", "neurons")
GAIN_ROWS = 5_000


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    hooks = size(["mlp_act.0", "resid_post.2"], ["resid_post.1"])
    parser.add_argument("--hook-points", nargs="+", default=hooks)
    parser.add_argument("--ratio", type=float, default=2, help="components divided by width")
    alphas = size([0.03, 0.08, 0.16, 0.32], [0.1, 0.3])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    parser.add_argument("--epochs", type=int, nargs="+", default=size([1, 2, 4, 8], [1, 2]))
    parser.add_argument("--n-train", type=int, default=size(200, 20), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(150, 10), help="texts to measure on")
    return parser.parse_args()


def baselines_at(l0, baselines, train, test):
    """Return the FVU of each baseline cut to an L0."""
    k = max(1, round(l0))
    cut = {
        name: TopKDictionary(dictionary, k, gain=True, prefit=True).fit(train[:GAIN_ROWS])
        for name, dictionary in baselines.items()
    }
    return {name: fvu(test, d.inverse_transform(d.transform(test))) for name, d in cut.items()}


def measured(args, hook_point, train, test, seed):
    """Yield a record per number of epochs and alpha, with baselines for the most epochs."""
    n_components = round(args.ratio * train.shape[1])
    baselines = fitted_baselines(train, n_components, seed)
    for epochs in args.epochs:
        path = sparse_dictionary_path(
            train, args.alphas, n_components=n_components, max_iter=epochs, random_state=seed
        )
        found = path.measure(test)
        for alpha, error, l0 in zip(found["alpha"], found["fvu"], found["l0"], strict=True):
            others = dict.fromkeys(BASELINES, np.nan)
            if epochs == max(args.epochs):
                others = baselines_at(l0, baselines, train, test)
            label = {"hook_point": hook_point, "alpha": alpha, "epochs": epochs, "seed": seed}
            yield label | {"l0": l0, "sparse": error} | others


def table_of_alphas(summary, epochs):
    """Return the summary table: FVU of each method by hook point and alpha."""
    return [
        {
            "layer": r["hook_point"],
            "alpha": f"{r['alpha']:g}",
            "L0": with_interval(r["l0"], r["l0 +-"], 1),
            **{
                LABELS[name]: with_interval(r[name], r[f"{name} +-"])
                for name in ("sparse", *BASELINES)
            },
        }
        for r in summary
        if r["epochs"] == epochs
    ]


def table_of_epochs(summary):
    """Return FVU at L0 by hook point and alpha, with a column per number of epochs."""
    rows = {}
    for r in summary:
        row = rows.setdefault(
            (r["hook_point"], r["alpha"]), {"layer": r["hook_point"], "alpha": f"{r['alpha']:g}"}
        )
        row[f"{r['epochs']} epochs"] = f"{r['sparse']:.3f} at {r['l0']:.1f}"
    return list(rows.values())


def draw(summary, path):
    """Draw FVU against L0 for each hook point, methods left and epochs right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    hooks = list(dict.fromkeys(r["hook_point"] for r in summary))
    epochs = sorted({r["epochs"] for r in summary})
    figure, axes = plt.subplots(
        len(hooks), 2, figsize=(11, 0.8 + 3.8 * len(hooks)), squeeze=False, layout="constrained"
    )
    for row, hook in zip(axes, hooks, strict=True):
        for name in ("sparse", *BASELINES):
            rows = [r for r in summary if (r["hook_point"], r["epochs"]) == (hook, epochs[-1])]
            points = [[r[key] for r in rows] for key in ("l0", name, f"{name} +-")]
            row[0].errorbar(*points, fmt=STYLES[name], capsize=2, label=LABELS[name])
        for i, count in enumerate(epochs):
            rows = [r for r in summary if (r["hook_point"], r["epochs"]) == (hook, count)]
            shade = plt.cm.Blues(0.35 + 0.6 * (i + 1) / len(epochs))
            points = [[r[key] for r in rows] for key in ("l0", "sparse")]
            row[1].plot(*points, "o-", color=shade, label=f"{count} epoch{'s' * (count > 1)}")
        row[0].set_ylabel("FVU on held-out rows", fontsize=12)
        for axis in row:
            axis.set_title(hook, fontsize=12)
            axis.set_xscale("log")
            axis.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
            axis.minorticks_off()
            axis.set_ylim(0, None)
            axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("active codes per token (L0)", fontsize=12)
    for axis in axes[0]:
        axis.legend(fontsize=10)
    save_figure(figure, path)


def main():
    """Measure every hook point and seed, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for hook_point in args.hook_points:
        extractor = ActivationExtractor(pair, hook_point)
        train, test = (np.asarray(extractor.transform(part)) for part in texts)
        for seed in args.seeds:
            records += measured(args, hook_point, train, test, seed)
            print(f"measured {hook_point}, seed {seed}, {len(train)} rows", flush=True)
        write_table(records, args.out / "fvu_l0.csv")
    keys = ("hook_point", "epochs", "alpha")
    summary = summarize(records, keys, ("l0", "sparse", *BASELINES))
    draw(summary, args.out / "fvu_l0.png")
    write_table(table_of_epochs(summary), args.out / "fvu_l0_epochs_summary.csv")
    table = table_of_alphas(summary, max(args.epochs))
    write_table(table, args.out / "fvu_l0_summary.csv")


if __name__ == "__main__":
    main()
