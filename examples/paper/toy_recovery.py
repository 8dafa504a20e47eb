"""
Over which alphas and sizes are planted features recovered?
===========================================================

The toy setting of the interim report behind Cunningham et al. (2023), section 2, at half its width:
256 planted features in 128 dimensions, each firing 0.99 times as often as the one before it, five
active on average, independently or correlated. A tied dictionary is fitted for each alpha and size,
from half to eight times as many components as features, and compared with the truth. The second
command uses the width of the report::

    python examples/paper/toy_recovery.py --out paper
    python examples/paper/toy_recovery.py --width 256 --planted 512 --rows 200000 --out wide

``mmcs``
    the mean over planted features of the best signed cosine with a learned direction;
``recovered``
    the share of planted features with a cosine of at least 0.9;
``dead``
    the share of components that fire on no held-out row.

The figure has heat maps over size and alpha. Planted features need no model, so only
``--seeds``, ``--max-iter`` and the options of this script have an effect.
"""

import numpy as np
from common import (
    complete,
    paper_parser,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from settings import size

from skdict import sparse_dictionary_path
from skdict.datasets import make_sparse_features
from skdict.metrics import feature_recovery, max_cosine_similarity

MEASURES = {"mmcs": "MMCS to the truth", "recovered": "recovered", "dead": "dead components"}
N_TEST = 20_000


def parse_args():
    """Return the command-line options."""
    parser, _ = paper_parser(__doc__)
    parser.set_defaults(max_iter=size(6, 2), seeds=size((0, 1, 2), (0,)))
    parser.add_argument("--width", type=int, default=size(128, 32))
    parser.add_argument("--planted", type=int, default=size(256, 64), help="planted features")
    parser.add_argument("--n-active", type=float, default=size(5, 3), help="mean number active")
    parser.add_argument("--decay", type=float, default=0.99)
    parser.add_argument("--rows", type=int, default=size(52_000, 4_000))
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 2])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    alphas = size([0.02, 0.05, 0.1, 0.2, 0.4, 0.8], [0.1, 0.4])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    return parser.parse_args()


def measured(args, seed, features):
    """Yield a record per size and alpha on one sample of planted features."""
    data = make_sparse_features(
        args.rows + N_TEST,
        n_features=args.width,
        n_components=args.planted,
        n_active=args.n_active,
        decay=args.decay,
        correlated=features == "correlated",
        random_state=seed,
    )
    train, test = data.X[: args.rows], data.X[args.rows :]
    for ratio in args.ratios:
        n_components = round(ratio * args.planted)
        path = sparse_dictionary_path(
            train,
            args.alphas,
            n_components=n_components,
            max_iter=args.max_iter,
            random_state=seed,
        )
        found = path.measure(test)
        for i, dictionary in enumerate(path):
            learned = dictionary.components_
            yield {
                "ratio": ratio,
                "alpha": dictionary.alpha,
                "mmcs": float(max_cosine_similarity(data.components, learned).mean()),
                "recovered": feature_recovery(learned, data.components, threshold=0.9),
                "dead": found["n_dead"][i] / n_components,
                "l0": found["l0"][i],
                "fvu": found["fvu"][i],
            }


def best_of_each_size(summary):
    """Return the summary table, with the alpha of the largest MMCS for each size."""
    rows = []
    for key in dict.fromkeys((r["features"], r["ratio"]) for r in summary):
        group = [r for r in summary if (r["features"], r["ratio"]) == key]
        best = max(group, key=lambda r: r["mmcs"])
        rows.append(
            {
                "planted features": key[0],
                "components / planted": f"{key[1]:g}",
                "best alpha": f"{best['alpha']:g}",
                "MMCS": with_interval(best["mmcs"], best["mmcs +-"], 3),
                "recovered": with_interval(best["recovered"], best["recovered +-"]),
                "dead": with_interval(best["dead"], best["dead +-"]),
                "L0": with_interval(best["l0"], best["l0 +-"], 1),
                "FVU": with_interval(best["fvu"], best["fvu +-"], 3),
            }
        )
    return rows


def draw(summary, path):
    """Draw heat maps over size and alpha, measures in columns and kinds of features in rows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = list(dict.fromkeys(r["features"] for r in summary))
    ratios = sorted({r["ratio"] for r in summary})
    alphas = sorted({r["alpha"] for r in summary})
    figure, axes = plt.subplots(len(kinds), 3, figsize=(12, 7), squeeze=False, layout="constrained")
    for row, kind in zip(axes, kinds, strict=True):
        for axis, (measure, title) in zip(row, MEASURES.items(), strict=True):
            grid = np.full((len(ratios), len(alphas)), np.nan)
            for r in summary:
                if r["features"] == kind:
                    grid[ratios.index(r["ratio"]), alphas.index(r["alpha"])] = r[measure]
            axis.imshow(grid, vmin=0, vmax=1, origin="lower", aspect="auto", cmap="viridis")
            for (i, j), value in np.ndenumerate(grid):
                color = "white" if value < 0.6 else "black"
                axis.text(j, i, f"{value:.2f}", ha="center", va="center", color=color, fontsize=11)
            axis.set_xticks(range(len(alphas)), [f"{a:g}" for a in alphas])
            axis.set_yticks(range(len(ratios)), [f"{r:g}" for r in ratios])
            axis.set_title(f"{title}, {kind}", fontsize=12)
        row[0].set_ylabel("components / planted features", fontsize=12)
    for axis in axes[-1]:
        axis.set_xlabel("alpha", fontsize=12)
    save_figure(figure, path)


def main():
    """Fit the grid, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = [
        {"seed": seed, "features": features}
        for seed in args.seeds
        for features in ("independent", "correlated")
    ]
    records = complete(args.out / "toy_recovery.csv", jobs, lambda **job: measured(args, **job))
    keys = ("features", "ratio", "alpha")
    summary = summarize(records, keys, ("mmcs", "recovered", "dead", "l0", "fvu"))
    draw(summary, args.out / "toy_recovery.png")
    write_table(best_of_each_size(summary), args.out / "toy_recovery_summary.csv")


if __name__ == "__main__":
    main()
