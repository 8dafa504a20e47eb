r"""
Does a sparse dictionary need fewer and smaller edits to change a behaviour?
============================================================================

Indirect object identification with one name replaced, following Cunningham et al. (2023), section
4, figure 3 and appendix F. More and more features of the run on the counterfactual are patched into
the run on the prompt. The distance to the target run, KL(patched || target), is measured against
the number of features and against the size of the edit, at five blocks: for the paper's dictionary
at four alphas, for untied, untied and refitted, and BatchTopK dictionaries at one L0, and for PCA,
ICA, random directions and the neuron basis. Pronouns and number agreement are further tasks.

Writes ``patching_curves.csv`` and ``patching_curves.png``, and four summaries: KL after a number of
features (``patching_curves_summary.csv``), at an edit (``patching_curves_edit_summary.csv``) and
with all features (``patching_curves_all_summary.csv``), and the number of features for half of the
effect with the size of the edit there (``patching_curves_half_summary.csv``)::

    python examples/paper/patching_curves.py --out paper
    python examples/paper/patching_curves.py --out paper --name patching_curves_tasks \
        --tasks pronouns agreement
    python examples/paper/patching_curves.py --out paper --name patching_curves_acdc --layers 2 \
        --order acdc --methods "sparse 0.1" pca
"""

import numpy as np
from common import (
    complete,
    drop_constant,
    paper_parser,
    save_figure,
    write_table,
)
from curves import cell_of, half_cell, kl_at_edit, measured_curve
from ioi import ioi_prompts
from methods import BASELINES, LABELS, SPARSE, STYLES, fitted_baseline, fitted_sparse
from settings import size
from workspace import Workspace

from skdict.datasets import make_agreement, make_pronouns

UNTIED = tuple(name for name in SPARSE if name != "sparse")


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument("--name", default="patching_curves", help="name of the tables and figure")
    parser.add_argument("--layers", type=int, nargs="+", default=setting.layers)
    parser.add_argument("--alphas", type=float, nargs="+", default=setting.alphas)
    parser.add_argument("--methods", nargs="+", help='only these, such as "sparse 0.1" pca')
    tasks = ["ioi", "pronouns", "agreement"]
    parser.add_argument("--tasks", nargs="+", choices=tasks, default=["ioi"])
    parser.add_argument("--order", default="integrated_gradients")
    parser.add_argument("--pairs", type=int, default=size(50, 8))
    counts = [0, 1, 2, 4, 8, 16, 32, 64, 128, 512]
    parser.add_argument("--counts", type=int, nargs="+", default=counts)
    parser.add_argument("--at", type=int, default=8, help="number of features in the summary")
    parser.add_argument("--edit", type=float, default=0.3, help="relative edit in the summary")
    return parser.parse_args()


def names(args):
    """Return the names of all dictionaries."""
    everything = [f"sparse {alpha:g}" for alpha in args.alphas] + [*UNTIED, *BASELINES]
    return [name for name in everything if args.methods is None or name in args.methods]


def task_named(name, args, tokenizer, seed):
    """Return the pairs of prompts of a task."""
    if name == "ioi":
        return ioi_prompts(args, tokenizer, args.pairs, seed)
    make = {"pronouns": make_pronouns, "agreement": make_agreement}[name]
    return make(args.pairs, tokenizer, random_state=seed)


def fitted(workspace, name, rows, seed):
    """Return the fitted dictionary of a name."""
    if name in BASELINES:
        return fitted_baseline(workspace, name, rows, seed)
    if name in UNTIED:
        return fitted_sparse(workspace, rows, seed, name=name)
    return fitted_sparse(workspace, rows, seed, alpha=float(name.split()[1]))


def label_of(name):
    """Return the label of a dictionary in tables and figures."""
    return f"sparse, alpha {name.split()[1]}" if name.startswith("sparse") else LABELS[name]


def curves(records, task, layer, name):
    """Return counts, edits and divergences, each of shape (n_seeds, n_points)."""
    by_seed = {}
    for r in records:
        if (r["task"], r["layer"], r["dictionary"]) == (task, layer, name):
            by_seed.setdefault(r["seed"], []).append(r)
    return [
        np.array([[r[c] for r in group] for group in by_seed.values()])
        for c in ("n_patched", "relative_edit_magnitude", "kl")
    ]


def cells_of(records, task, layer, name, args):
    """Return the cell of a dictionary and layer in each summary."""
    counts, edits, kls = curves(records, task, layer, name)
    found = {
        "": kls[:, np.searchsorted(counts[0], args.at)],
        "_edit": kl_at_edit(edits, kls, args.edit),
        "_all": kls[:, -1],
    }
    cells = {end: cell_of(values) for end, values in found.items()}
    return cells | {"_half": half_cell(counts, edits, kls)}


def write_summaries(records, args):
    """Write the four summaries, the main one last because it marks the run as complete."""
    tables = {end: [] for end in ("_half", "_all", "_edit", "")}
    for task in args.tasks:
        for name in names(args):
            rows = {end: {"task": task, "dictionary": label_of(name)} for end in tables}
            for layer in args.layers:
                cells = cells_of(records, task, layer, name, args)
                for end, row in rows.items():
                    row[f"block {layer}"] = cells[end]
            for end, row in rows.items():
                tables[end].append(row)
    for end, table in tables.items():
        write_table(drop_constant(table, "task"), args.out / f"{args.name}{end}_summary.csv")


def style_of(name, args):
    """Return the style of a dictionary's curve."""
    import matplotlib.pyplot as plt

    style = {"markersize": 3, "label": label_of(name), "linewidth": 1.3}
    if name in LABELS:
        color, marker = STYLES[name].split("-")
        return style | {"color": color, "marker": marker, "linestyle": "--"}
    shades = plt.cm.Blues(np.linspace(0.9, 0.35, len(args.alphas)))
    shade = dict(zip(args.alphas, shades, strict=True))[float(name.split()[1])]
    return style | {"color": shade, "marker": "o"}


def draw(records, path, args):
    """Draw KL against features patched and against the edit, two rows of panels per task."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shape = 2 * len(args.tasks), len(args.layers)
    figure, axes = plt.subplots(
        *shape, figsize=(max(2.6 * shape[1], 5), 2.9 * shape[0] + 0.9), squeeze=False, sharey="row"
    )
    for number, task in enumerate(args.tasks):
        above, below = axes[2 * number : 2 * number + 2]
        for column, layer in enumerate(args.layers):
            for name in names(args):
                counts, edits, kls = (a.mean(axis=0) for a in curves(records, task, layer, name))
                above[column].plot(counts, kls, **style_of(name, args))
                below[column].plot(edits, kls, **style_of(name, args))
            above[column].set(
                xscale="symlog", title=f"{task}, block {layer}", xlabel="features patched"
            )
            below[column].set(xlabel="relative edit", xlim=(0, 1))
        for row in (above, below):
            row[0].set_ylabel("KL to target (nats)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    figure.set_layout_engine("constrained")
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)

    def measure(layer, seed, dictionary, task, order):
        rows = workspace.rows(f"resid_post.{layer}")
        prompts = task_named(task, args, workspace.pair[1], seed)
        options = {"order": order, "n_patched": args.counts, "n_steps": 5}
        made = fitted(workspace, dictionary, rows, seed)
        return measured_curve(workspace.pair, f"resid_post.{layer}", made, prompts, **options)

    jobs = [
        {"layer": layer, "seed": seed, "dictionary": name, "task": task, "order": args.order}
        for seed in args.seeds
        for layer in args.layers
        for name in names(args)
        for task in args.tasks
    ]
    records = complete(args.out / f"{args.name}.csv", jobs, measure)
    draw(records, args.out / f"{args.name}.png", args)
    write_summaries(records, args)


if __name__ == "__main__":
    main()
