"""
How many features stay alive as the dictionary grows?
=====================================================

The share of features that fire on more than 10 held-out tokens, by size and alpha (Cunningham et
al., 2023, figure 16 and appendices C.3 and E), for the residual stream and an MLP. Dictionaries
are fitted on at most ``--fit-tokens`` tokens. The penalty is relative to the same scale of the
rows, so alpha means the same in every way to train:

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
    complete,
    paper_parser,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from methods import firing_counts, fitted_sparse
from settings import size
from workspace import Workspace

WAYS = {
    "paper": {"bias_init": "zeros", "center": False, "rescale": False},
    "default": {},
    "resample": {"dead_features": "resample"},
}
MIN_COUNT = 11


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    hook_points = [f"resid_post.{setting.layer}", f"mlp_out.{setting.layer}"]
    parser.add_argument("--hook-points", nargs="+", default=hook_points)
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 2])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    ways = ["paper", "default"]
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=ways, help="ways to train")
    # Without a penalty half of all codes are active, which makes large dictionaries slow to fit.
    parser.add_argument("--fit-tokens", type=int, default=100_000, help="at most, to fit on")
    alphas = [0.0, *sorted(setting.alphas[:3])]
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    return parser.parse_args()


def rows_of(workspace, hook_point, way):
    """Return the rows for a way to train: as they are, or divided by their scale for "paper".

    The scale is that of the defaults: the root mean square distance from the mean row, without
    outlier rows.
    """
    args = workspace.args
    rows = workspace.rows(hook_point).first(args.fit_tokens)
    if way != "paper":
        return rows
    smallest = {"ratio": min(args.ratios), "alpha": max(args.alphas)}
    scale = np.float32(fitted_sparse(workspace, rows, args.seeds[0], **smallest).scale_)
    train, test = (np.asarray(part, dtype=np.float32) / scale for part in (rows.train, rows.test))
    return rows._replace(train=train, test=test, key=(*rows.key, "scaled"))


def measured(workspace, hook_point, way, seed, ratio, alpha):
    """Return the record of a dictionary."""
    rows = rows_of(workspace, hook_point, way)
    options = {"ratio": ratio, "alpha": alpha} | WAYS[way]
    counts = firing_counts(fitted_sparse(workspace, rows, seed, **options), rows.test)
    n_living = np.count_nonzero(counts >= MIN_COUNT)
    l0 = counts.sum() / len(rows.test)
    return [{"living": n_living / len(counts), "n_living": n_living, "l0": l0}]


def table_of_living(summary):
    """Return the summary table: the share of features alive, with a column per size."""
    rows = {}
    for r in summary:
        key = r["hook_point"], r["way"], r["alpha"]
        label = {"layer": place_label(key[0]), "training": key[1], "alpha": f"{key[2]:g}"}
        row = rows.setdefault(key, label)
        row[f"{r['ratio']:g} times"] = with_interval(r["living"], r["living +-"])
    return list(rows.values())


def draw_sizes(axis, summary):
    """Draw the share alive against alpha, with a line per size."""
    import matplotlib.pyplot as plt

    ratios = sorted({r["ratio"] for r in summary})
    for i, ratio in enumerate(ratios):
        group = [r for r in summary if r["ratio"] == ratio]
        points = [[r[name] for r in group] for name in ("alpha", "living", "living +-")]
        color = plt.cm.viridis(0.9 * i / max(1, len(ratios) - 1))
        axis.errorbar(*points, fmt="o-", color=color, capsize=2, label=f"{ratio:g}")


def draw(summary, path):
    """Draw the share alive, with a panel per hook point and way to train."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    hooks = list(dict.fromkeys(r["hook_point"] for r in summary))
    ways = list(dict.fromkeys(r["way"] for r in summary))
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
            draw_sizes(axis, [r for r in summary if (r["hook_point"], r["way"]) == (hook, way)])
            axis.set_title(f"{place_label(hook)}, {way}", fontsize=12)
            axis.set_xticks(sorted({r["alpha"] for r in summary}))
            axis.set_ylim(0, 1.05)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("share of features alive", fontsize=12)
    for axis in axes[-1]:
        axis.set_xlabel("alpha", fontsize=12)
    axes[0][0].legend(title="features / width", fontsize=9)
    save_figure(figure, path)


def main():
    """Measure every hook point, way, seed and size, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [
        {"hook_point": hook_point, "way": way, "seed": seed, "ratio": ratio, "alpha": alpha}
        for hook_point in args.hook_points
        for way in args.ways
        for seed in args.seeds
        for ratio in args.ratios
        for alpha in args.alphas
    ]
    path = args.out / "living_features.csv"
    records = complete(path, jobs, lambda **job: measured(workspace, **job))
    keys = ("hook_point", "way", "ratio", "alpha")
    summary = summarize(records, keys, ("living", "n_living", "l0"))
    draw(summary, args.out / "living_features.png")
    write_table(table_of_living(summary), args.out / "living_features_summary.csv")


if __name__ == "__main__":
    main()
