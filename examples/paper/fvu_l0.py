"""
How much variance do a few codes explain?
=========================================

The fraction of variance unexplained (FVU) against L0, over alpha (Cunningham et al., 2023, figure
6) and over epochs (figure 7), on held-out activations of the residual stream and of an MLP. The
baselines are ICA, PCA, random directions and the neuron basis, cut on each row to as many codes as
the dictionary uses on average, with one least-squares gain that compensates for the cut::

    python examples/paper/fvu_l0.py --out paper

The penalty shrinks codes, which only costs the sparse dictionary and is not compensated. The paper
has the hidden neurons of the first MLP, which ``--hook-points mlp_act.0`` measures. Also writes
``fvu_l0_epochs_summary.csv``, with FVU and L0 by number of epochs. ``fvu_l0.csv`` has the FVU
without outlier rows as well.
"""

from common import (
    complete,
    paper_parser,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from methods import BASELINES, LABELS, METHODS, STYLES, fitted_baseline, fitted_sparse, measures
from settings import size
from workspace import Workspace, cut


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    hook_points = [f"resid_post.{setting.layer}", f"mlp_out.{setting.layer}"]
    parser.add_argument("--hook-points", nargs="+", default=hook_points)
    parser.add_argument("--alphas", type=float, nargs="+", default=setting.alphas)
    epochs = "numbers of epochs (default: --max-iter, half of it, and so on)"
    parser.add_argument("--epochs", type=int, nargs="+", default=size(None, [1, 2]), help=epochs)
    args = parser.parse_args()
    args.epochs = sorted(args.epochs or halves(args.max_iter))
    return args


def halves(number):
    """Return a number, half of it, and so on down to 1."""
    return [number, *halves(number // 2)] if number > 1 else [number]


def measured(workspace, hook_point, seed, epochs):
    """Yield a record per alpha, with baselines at equal L0 for the most epochs."""
    args, rows = workspace.args, workspace.rows(hook_point)
    for alpha in args.alphas:
        sparse = fitted_sparse(workspace, rows, seed, alpha=alpha, max_iter=epochs)
        found = measures(sparse, rows.test)
        yield {"method": "sparse", "alpha": alpha} | found
        for name in BASELINES if epochs == args.epochs[-1] else ():
            baseline = fitted_baseline(workspace, name, rows, seed)
            k = min(max(1, round(found["l0"])), len(baseline.components_))
            at_l0 = cut(baseline, k, rows, gain=True)
            yield {"method": name, "alpha": alpha} | measures(at_l0, rows.test)


def table_of_alphas(summary, epochs):
    """Return the summary table: FVU of each method by hook point and alpha."""
    rows = {}
    for r in summary:
        if r["epochs"] != epochs:
            continue
        row = rows.setdefault((r["hook_point"], r["alpha"]), {})
        if r["method"] == "sparse":
            row |= {"layer": place_label(r["hook_point"]), "alpha": f"{r['alpha']:g}"}
            row["L0"] = with_interval(r["l0"], r["l0 +-"], 1)
        row[LABELS[r["method"]]] = with_interval(r["fvu"], r["fvu +-"], 3)
    return list(rows.values())


def table_of_epochs(summary):
    """Return FVU at L0 by hook point and alpha, with a column per number of epochs."""
    rows = {}
    for r in summary:
        if r["method"] == "sparse":
            label = {"layer": place_label(r["hook_point"]), "alpha": f"{r['alpha']:g}"}
            row = rows.setdefault((r["hook_point"], r["alpha"]), label)
            title = f"{r['epochs']} epoch{'s' * (r['epochs'] > 1)}"
            row[title] = f"{r['fvu']:.3f} at {r['l0']:.1f}"
    return list(rows.values())


def draw_methods(axis, summary):
    """Draw FVU against L0 for each method at one hook point."""
    for name in METHODS:
        rows = sorted((r for r in summary if r["method"] == name), key=lambda r: r["l0"])
        points = [[r[key] for r in rows] for key in ("l0", "fvu", "fvu +-")]
        axis.errorbar(*points, fmt=STYLES[name], capsize=2, label=LABELS[name])
    axis.set_ylabel("FVU on held-out rows", fontsize=12)


def draw_epochs(axis, summary, epochs):
    """Draw FVU against L0 for each number of epochs at one hook point."""
    import matplotlib.pyplot as plt

    for i, count in enumerate(epochs):
        rows = [r for r in summary if (r["method"], r["epochs"]) == ("sparse", count)]
        points = [[r[key] for r in rows] for key in ("l0", "fvu")]
        shade = plt.cm.Blues(0.35 + 0.6 * (i + 1) / len(epochs))
        axis.plot(*points, "o-", color=shade, label=f"{count} epoch{'s' * (count > 1)}")


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
        here = [r for r in summary if r["hook_point"] == hook]
        draw_methods(row[0], [r for r in here if r["epochs"] == epochs[-1]])
        draw_epochs(row[1], here, epochs)
        for axis in row:
            axis.set_title(place_label(hook), fontsize=12)
            axis.set_xscale("log")
            axis.set_xticks(
                [2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"]
            )
            axis.minorticks_off()
            axis.margins(y=0.1)
            axis.set_ylim(0, None)
            axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("active codes per token (L0)", fontsize=12)
    for axis in axes[0]:
        axis.legend(fontsize=10)
    save_figure(figure, path)


def main():
    """Measure every hook point, seed and number of epochs, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [
        {"hook_point": hook_point, "seed": seed, "epochs": epochs}
        for hook_point in args.hook_points
        for seed in args.seeds
        for epochs in args.epochs
    ]
    records = complete(args.out / "fvu_l0.csv", jobs, lambda **job: measured(workspace, **job))
    keys = ("hook_point", "epochs", "alpha", "method")
    summary = summarize(records, keys, ("l0", "fvu"))
    draw(summary, args.out / "fvu_l0.png")
    write_table(table_of_epochs(summary), args.out / "fvu_l0_epochs_summary.csv")
    write_table(table_of_alphas(summary, args.epochs[-1]), args.out / "fvu_l0_summary.csv")


if __name__ == "__main__":
    main()
