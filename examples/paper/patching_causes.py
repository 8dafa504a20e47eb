r"""
What decides how few features carry a behaviour?
================================================

The curves of ``patching_curves.py`` at one block for the paper's dictionary and for dictionaries
that differ from it in one thing: the penalty, ties between encoder and decoder, refitted codes, the
size, the number of epochs, and the texts it is fitted on, which may contain prompts of the task;
and for its baselines, two of which are also fitted on such texts.
The reconstruction error that the patched run keeps from the prompt may also be exchanged for that
of the target run, without any feature::

    python examples/paper/patching_causes.py --out paper

Writes ``patching_causes.csv``, ``patching_causes_summary.csv`` and ``patching_causes.png``.
"""

import numpy as np
from common import complete, paper_parser, save_figure, write_table
from curves import cell_of, half_cell, kl_at_edit, measured_curve
from ioi import ioi_prompts
from methods import BASELINES, LABELS, fitted_baseline, fitted_sparse, mean_l0
from settings import size
from workspace import Workspace

from skdict import ActivationExtractor
from skdict.metrics import fvu

REFERENCE = "the paper's dictionary"
PROMPTS_SEED = 1000  # prompts to fit on differ from those to measure on


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument("--layer", type=int, default=setting.layer)
    parser.add_argument("--alphas", type=float, nargs="+", default=setting.alphas)
    l0s = size([8, 16, 32, 64, 128], [8])
    parser.add_argument("--l0s", type=float, nargs="+", default=l0s, help="L0 of refitted ones")
    parser.add_argument("--ratios", type=float, nargs="+", default=size([1, 8], [1]))
    parser.add_argument("--epochs", type=int, default=size(16, 2), help="the larger number")
    n_prompts = size([30, 300, 3000], [40])
    parser.add_argument("--prompts", type=int, nargs="+", default=n_prompts, help="to fit on")
    parser.add_argument("--pairs", type=int, default=size(50, 8))
    counts = [0, 1, 2, 4, 8, 16, 32, 64, 128, 512]
    parser.add_argument("--counts", type=int, nargs="+", default=counts)
    return parser.parse_args()


def changes(args, sources):
    """Return, by name, the options of `fitted_sparse` and the rows of each dictionary."""
    found = {REFERENCE: ({}, "all")}
    others = [alpha for alpha in args.alphas if alpha != args.alpha]
    found |= {f"alpha {alpha:g}": ({"alpha": alpha}, "all") for alpha in others}
    found["untied, same L0"] = ({"name": "untied", "target_l0": None}, "all")
    found |= {
        f"untied, refitted, L0 {l0:g}": ({"name": "refit", "target_l0": l0}, "all")
        for l0 in args.l0s
    }
    found |= {f"{ratio:g} times the width": ({"ratio": ratio}, "all") for ratio in args.ratios}
    found[f"{args.epochs} epochs"] = ({"max_iter": args.epochs}, "all")
    found |= {_with_prompts(n): ({}, n) for n in args.prompts}
    if len(sources) > 1:
        found |= {f"{source} only": ({}, source) for source in sources}
    found |= {name: ({"name": name}, "all") for name in BASELINES}
    return found | {
        f"{LABELS[name]}, {_with_prompts(max(args.prompts))}": ({"name": name}, max(args.prompts))
        for name in ("ica", "pca")
    }


def _with_prompts(n):
    return f"{n:,} prompts among the texts"


def rows_of(workspace, rows, kind, args):
    """Return the rows to fit on: all, those of one source, or some with n prompts of the task."""
    if kind == "all":
        return rows
    train, hook_point = rows.train, rows.key[0]
    if isinstance(kind, int):
        prompts = ioi_prompts(args, workspace.pair[1], kind, PROMPTS_SEED).prompts
        added = np.asarray(ActivationExtractor(workspace.pair, hook_point).fit_transform(prompts))
        kept = np.asarray(train[: max(len(train) - len(added), 0)])
        key = (*rows.key, "prompts", kind)
        return rows._replace(train=np.concatenate([kept, added]), key=key)
    sources = np.array([document.source for part in workspace.documents for document in part])
    own = np.flatnonzero(sources[train.documents] == kind)
    return rows._replace(train=train[own], key=(*rows.key, kind))


def fitted(workspace, rows, options, seed):
    """Return the fitted dictionary of a change."""
    if options.get("name") in BASELINES:
        return fitted_baseline(workspace, options["name"], rows, seed)
    if options.get("target_l0", 0) is None:
        l0 = mean_l0(fitted_sparse(workspace, rows, seed), rows.test)
        options = options | {"target_l0": round(l0)}
    return fitted_sparse(workspace, rows, seed, **options)


def measured(workspace, args, seed, change):
    """Return the records of the curves of one dictionary, with either reconstruction error."""
    options, kind = changes(args, sources_of(workspace))[change]
    hook_point = f"resid_post.{args.layer}"
    rows = rows_of(workspace, workspace.rows(hook_point), kind, args)
    dictionary = fitted(workspace, rows, options, seed)
    test = np.asarray(rows.test, dtype=np.float32)
    label = {"l0": mean_l0(dictionary, test), "n_rows": len(rows.train)}
    label["fvu"] = fvu(test, dictionary.inverse_transform(dictionary.transform(test)))
    task = ioi_prompts(args, workspace.pair[1], args.pairs, seed)
    records = []
    for error in ("keep", "target"):
        curve = {"order": "integrated_gradients", "n_steps": 5, "n_patched": args.counts}
        points = measured_curve(workspace.pair, hook_point, dictionary, task, error=error, **curve)
        records += [{"error": error} | label | point for point in points]
    return records


def sources_of(workspace):
    """Return the names of the files that texts are from."""
    return list(dict.fromkeys(document.source for document in workspace.documents[1]))


def written(records, names):
    """Return the summary table: a line per dictionary, keeping the error of the prompt."""
    table = []
    for name in names:
        own = [r for r in records if r["change"] == name and r["error"] == "keep"]
        seeds = list(dict.fromkeys(r["seed"] for r in own))
        groups = [[r for r in own if r["seed"] == seed] for seed in seeds]
        n, edits, kls = (
            np.array([[r[c] for r in group] for group in groups])
            for c in ("n_patched", "relative_edit_magnitude", "kl")
        )
        values = {
            "8 features": kls[:, np.searchsorted(n[0], 8)],
            "128 features": kls[:, np.searchsorted(n[0], 128)],
            "at edit 0.3": kl_at_edit(edits, kls, 0.3),
            "error alone": [group[0]["kl_error"] for group in groups],
        }
        l0, error = (np.mean([group[0][key] for group in groups]) for key in ("l0", "fvu"))
        row = {"dictionary": LABELS.get(name, name), "L0": f"{l0:.1f}", "FVU": f"{error:.2f}"}
        row |= {title: cell_of(cells) for title, cells in values.items()}
        table.append(row | {"half (edit)": half_cell(n, edits, kls)})
    return table


def styles_of(found):
    """Return the style of each curve: a colour for each kind of change, in shades."""
    kinds = {name: _colormap(*change) for name, change in found.items()}
    styles = {}
    for colormap in dict.fromkeys(kinds.values()):
        own = [name for name, kind in kinds.items() if kind == colormap]
        for name, shade in zip(own, np.linspace(0.95, 0.45, len(own)), strict=True):
            styles[name] = (colormap, shade, "--" if colormap == "Greys" else "-")
    return styles | {REFERENCE: ("Greys", 1.0, "-")}


def _colormap(options, kind):
    name = options.get("name")
    if name in BASELINES:
        return "Greys"
    if isinstance(kind, int):
        return "Reds"
    if kind != "all":
        return "YlOrBr"
    if name:
        return "Greens"
    return "Blues" if "alpha" in options else "Purples"


def draw(records, found, path):
    """Draw every curve against features and against the edit, with either error."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 8.6), sharey=True, layout="constrained")
    titles = {"keep": "error of the prompt kept", "target": "error of the target"}
    for row, (error, title) in zip(axes, titles.items(), strict=True):
        for name, (colormap, shade, dashes) in styles_of(found).items():
            own = [r for r in records if (r["change"], r["error"]) == (name, error)]
            n = np.unique([r["n_patched"] for r in own])
            means = [
                [np.mean([r[c] for r in own if r["n_patched"] == k]) for k in n]
                for c in ("kl", "relative_edit_magnitude")
            ]
            color = plt.colormaps[colormap](shade)
            style = {"color": color, "ls": dashes, "marker": "o", "markersize": 3}
            row[0].plot(n, means[0], label=LABELS.get(name, name), **style)
            row[1].plot(means[1], means[0], **style)
        row[0].set(xscale="symlog", xlabel="features patched", title=title)
        row[1].set(xlabel="relative edit", title=title)
        row[0].set_ylabel("KL to target (nats)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    found = changes(args, sources_of(workspace))
    jobs = [{"seed": seed, "change": name} for seed in args.seeds for name in found]
    records = complete(
        args.out / "patching_causes.csv",
        jobs,
        lambda seed, change: measured(workspace, args, seed, change),
    )
    draw(records, found, args.out / "patching_causes.png")
    write_table(written(records, found), args.out / "patching_causes_summary.csv")


if __name__ == "__main__":
    main()
