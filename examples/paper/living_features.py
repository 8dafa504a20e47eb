"""
How many features stay alive as the dictionary grows?
=====================================================

The share of features that fire on more than 10 held-out tokens, by size and alpha (Cunningham et
al., 2023, figure 16 and appendices C.3 and E), for the residual stream and an MLP. Rows have unit
variance, so alpha means the same in every way to train:

``paper``
    biases start at zero, rows are not centred, and dead features are not revived;
``default``
    skdict's defaults: rows are centred, biases calibrated, and dead features are not revived;
``resample``
    the defaults, with features re-initialised that were silent for an epoch (with ``--ways``).

Writes tables and a figure::

    python examples/paper/living_features.py --out paper
"""

import numpy as np
from common import (
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
from skdict.metrics import dead_features

WAYS = {
    "paper": {"bias_init": "zeros", "center": False},
    "default": {},
    "resample": {"dead_features": "resample"},
}
MIN_COUNT = 11


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    hooks = size(["resid_post.2", "mlp_act.2"], ["resid_post.2"])
    parser.add_argument("--hook-points", nargs="+", default=hooks)
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 2])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    ways = ["paper", "default"]
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=ways, help="ways to train")
    parser.add_argument("--max-components", type=int, default=1024, help="skip larger dictionaries")
    alphas = size([0, 0.1, 0.3], [0, 0.2])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    parser.add_argument("--max-iter", type=int, default=size(3, 1), help="epochs")
    parser.add_argument("--n-train", type=int, default=size(250, 20), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(400, 20), help="texts to measure on")
    return parser.parse_args()


def rows_of_unit_variance(pair, hook_point, texts):
    """Return the rows of both sets of texts, divided by the scale of the first."""
    extractor = ActivationExtractor(pair, hook_point)
    train, test = (np.asarray(extractor.transform(part)) for part in texts)
    scale = np.sqrt(train.var(axis=0).sum())
    return train / scale, test / scale


def measured(args, hook_point, train, test, seed):
    """Yield a record per way to train, size and alpha."""
    sizes = [(ratio, round(ratio * train.shape[1])) for ratio in args.ratios]
    for way in args.ways:
        for ratio, n_components in sizes:
            if n_components > args.max_components:
                continue
            path = sparse_dictionary_path(
                train,
                args.alphas,
                n_components=n_components,
                rescale=False,
                max_iter=args.max_iter,
                random_state=seed,
                **WAYS[way],
            )
            for dictionary in path:
                codes = dictionary.transform(test)
                living = np.count_nonzero(~dead_features(codes, min_count=MIN_COUNT))
                yield {
                    "hook_point": hook_point,
                    "way": way,
                    "ratio": ratio,
                    "alpha": dictionary.alpha,
                    "seed": seed,
                    "living": living / n_components,
                    "n_living": living,
                    "l0": codes.nnz / len(test),
                }


def table_of_living(summary):
    """Return the summary table: the share of features alive, with a column per size."""
    rows = {}
    for r in summary:
        key = r["hook_point"], r["way"], r["alpha"]
        label = {"layer": key[0], "training": key[1], "alpha": f"{key[2]:g}"}
        row = rows.setdefault(key, label)
        row[f"{r['ratio']:g} times"] = with_interval(r["living"], r["living +-"])
    columns = list(max(rows.values(), key=len))
    return [{column: row.get(column, "") for column in columns} for row in rows.values()]


def draw(summary, path):
    """Draw the share alive against alpha, with a line per size and a panel per way."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    hooks = list(dict.fromkeys(r["hook_point"] for r in summary))
    ways = list(dict.fromkeys(r["way"] for r in summary))
    ratios = sorted({r["ratio"] for r in summary})
    figure, axes = plt.subplots(
        len(hooks),
        len(ways),
        figsize=(4.5 * len(ways), 3.5 * len(hooks)),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for row, hook in zip(axes, hooks, strict=True):
        for axis, way in zip(row, ways, strict=True):
            for i, ratio in enumerate(ratios):
                key = hook, way, ratio
                group = [r for r in summary if (r["hook_point"], r["way"], r["ratio"]) == key]
                points = [[r[name] for r in group] for name in ("alpha", "living", "living +-")]
                if group:
                    color = plt.cm.viridis(0.9 * i / max(1, len(ratios) - 1))
                    axis.errorbar(*points, fmt="o-", color=color, capsize=2, label=f"{ratio:g}")
            axis.set_title(f"{hook}, {way}", fontsize=12)
            axis.set_ylim(0, 1.05)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("share of features alive", fontsize=12)
    for axis in axes[-1]:
        axis.set_xlabel("alpha", fontsize=12)
    axes[0][0].legend(title="components / width", fontsize=9)
    save_figure(figure, path)


def main():
    """Measure every hook point and seed, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for hook_point in args.hook_points:
        train, test = rows_of_unit_variance(pair, hook_point, texts)
        for seed in args.seeds:
            records += measured(args, hook_point, train, test, seed)
            print(f"measured {hook_point}, seed {seed}, {len(test)} rows", flush=True)
        write_table(records, args.out / "living_features.csv")
    keys = ("hook_point", "way", "ratio", "alpha")
    summary = summarize(records, keys, ("living", "n_living", "l0"))
    draw(summary, args.out / "living_features.png")
    write_table(table_of_living(summary), args.out / "living_features_summary.csv")


if __name__ == "__main__":
    main()
