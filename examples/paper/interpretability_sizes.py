r"""
Are features of larger dictionaries easier to explain?
======================================================

Follows figure 8 of Cunningham et al. (2023): for sparse dictionaries of half to eight times the
width of the layer, at one alpha, how well features are explained, how much variance is left
unexplained, and how many features are dead::

    python examples/paper/interpretability_sizes.py --out paper
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import (
    drop_constant,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from interpretability import interpretability_parser, measured_by_seed
from methods import fitted_sparse
from settings import size

from skdict import compare_dictionaries
from skdict.interpretation import InterpretabilityScorer

KEYS = ("hook_point", "ratio")
MEASURES = {
    "interpretability": "score",
    "context_gain": "context gain",
    "fvu": "FVU",
    "l0": "L0",
    "dead": "dead",
}


def measure(workspace, rows, seed):
    """Yield a record per size."""
    scorer = InterpretabilityScorer(n_features=workspace.args.n_features, random_state=seed)
    for ratio in workspace.args.ratios:
        fitted = {"sparse": fitted_sparse(workspace, rows, seed, ratio=ratio)}
        found = compare_dictionaries(fitted, None, rows.test, scorers=[scorer])["sparse"]
        found["dead"] = found["n_dead"] / found["n_components"]
        yield {"ratio": ratio} | {key: found[key] for key in ("n_components", *MEASURES)}


def written(rows):
    """Return the summary table, with a line per size."""
    table = []
    for row in rows:
        cells = {"layer": place_label(row["hook_point"]), "features over width": row["ratio"]}
        for key, label in MEASURES.items():
            digits = 1 if key == "l0" else 2
            cells[label] = with_interval(row[key], row[f"{key} +-"], digits)
        table.append(cells)
    return drop_constant(table, "layer")


def draw(rows, path):
    """Draw the score, the FVU and the share of dead features by size."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, layout="constrained")
    titles = {"interpretability": "mean score", "fvu": "FVU", "dead": "share of dead features"}
    hooks = dict.fromkeys(row["hook_point"] for row in rows)
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        for number, hook_point in enumerate(hooks):
            own = [row for row in rows if row["hook_point"] == hook_point]
            axis.errorbar(
                [row["ratio"] for row in own],
                [row[key] for row in own],
                [row[f"{key} +-"] for row in own],
                fmt=f"C{number}-o",
                capsize=2,
                label=place_label(hook_point),
            )
        axis.set(title=title, xlabel="features over width", xscale="log", ylim=(0, 1))
        ratios = sorted({row["ratio"] for row in rows})
        axis.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend()
    save_figure(figure, path)


def main():
    """Measure every size, and write the tables and the figure."""
    parser, _ = interpretability_parser(__doc__)
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 2])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    args = parser.parse_args()
    records = measured_by_seed(args, "interpretability_sizes", measure)
    rows = summarize(records, KEYS, list(MEASURES))
    draw(rows, args.out / "interpretability_sizes.png")
    write_table(written(rows), args.out / "interpretability_sizes_summary.csv")


if __name__ == "__main__":
    main()
