r"""
Does sparsity alone make features easy to explain?
==================================================

Follows appendix G and figure 18 of Cunningham et al. (2023): ICA, PCA, random directions and the
neuron basis keep only the k strongest codes of each row, and are compared with the unchanged sparse
dictionary. The gain of a baseline at its best k is the part of the lead that sparsity explains::

    python examples/paper/interpretability_topk.py --out paper
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import (
    drop_constant,
    interval,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from interpretability import interpretability_parser, measured_by_seed
from methods import LABELS, METHODS, STYLES, fitted_methods
from settings import size
from workspace import cut

from skdict import compare_dictionaries
from skdict.interpretation import InterpretabilityScorer

KEYS = ("hook_point", "dictionary", "k")


def measure(workspace, rows, seed):
    """Yield a record per dictionary with all codes, and per k of the baselines."""
    args = workspace.args
    scorer = InterpretabilityScorer(n_features=args.n_features, random_state=seed)
    for name, dictionary in fitted_methods(workspace, rows, seed).items():
        versions = {"all": dictionary}
        if name != "sparse":
            versions |= {k: cut(dictionary, k, rows) for k in args.k}
        table = compare_dictionaries(versions, None, rows.test, scorers=[scorer])
        for k in versions:
            found = {key: table[k][key] for key in ("l0", "interpretability")}
            yield {"dictionary": name, "k": k} | found


def lead_explained(records, hook_point, name, ks):
    """Return the share of the lead lost at the best k, with its half-width over seeds."""
    runs = {
        (r["dictionary"], r["k"], r["seed"]): r["interpretability"]
        for r in records
        if r["hook_point"] == hook_point
    }
    shares = []
    for seed in sorted({key[2] for key in runs}):
        own = runs[name, "all", seed]
        best = max(runs[name, k, seed] for k in ks)
        shares.append((best - own) / (runs["sparse", "all", seed] - own))
    return interval(shares)


def written(records, rows, ks):
    """Return the summary table, with a line per dictionary."""
    groups = {tuple(row[key] for key in KEYS): row for row in rows}
    table = []
    for hook_point in dict.fromkeys(key[0] for key in groups):
        for name in METHODS:
            cells = {"layer": place_label(hook_point), "dictionary": LABELS[name]}
            for k in ("all", *sorted(ks, reverse=True)):
                row = groups.get((hook_point, name, k))
                label = "all codes" if k == "all" else f"k = {k}"
                cells[label] = (
                    with_interval(row["interpretability"], row["interpretability +-"])
                    if row
                    else ""
                )
            share = ""
            if name != "sparse":
                share = with_interval(*lead_explained(records, hook_point, name, ks))
            table.append(cells | {"share of the lead": share})
    return drop_constant(table, "layer")


def draw(rows, path):
    """Draw the score of each dictionary by the number of codes it keeps."""
    hooks = list(dict.fromkeys(row["hook_point"] for row in rows))
    shape = {"squeeze": False, "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(hooks), figsize=(4.4 * len(hooks) + 0.6, 4.6), **shape)
    for axis, hook_point in zip(axes[0], hooks, strict=True):
        for name in METHODS:
            own = [r for r in rows if (r["hook_point"], r["dictionary"]) == (hook_point, name)]
            own = sorted(own, key=lambda row: row["l0"])
            l0, means, halves = (
                [row[key] for row in own]
                for key in ("l0", "interpretability", "interpretability +-")
            )
            axis.errorbar(l0, means, halves, fmt=STYLES[name], capsize=2, label=LABELS[name])
        axis.axhline(
            next(
                r["interpretability"]
                for r in rows
                if (r["hook_point"], r["dictionary"]) == (hook_point, "sparse")
            ),
            color="C0",
            linestyle=":",
        )
        axis.set(title=place_label(hook_point), xlabel="codes kept per row", ylim=(0, 1))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("mean score")
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize="small")
    save_figure(figure, path)


def main():
    """Measure every k, and write the tables and the figure."""
    parser, _ = interpretability_parser(__doc__)
    parser.add_argument("--k", type=int, nargs="+", default=size([4, 8, 16, 32], [4, 16]))
    args = parser.parse_args()
    records = measured_by_seed(args, "interpretability_topk", measure)
    rows = summarize(records, KEYS, ["interpretability", "l0"])
    draw(rows, args.out / "interpretability_topk.png")
    write_table(written(records, rows, args.k), args.out / "interpretability_topk_summary.csv")


if __name__ == "__main__":
    main()
