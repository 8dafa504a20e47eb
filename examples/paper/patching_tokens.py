r"""
How many tokens must a dictionary see before patching works?
============================================================

The curves of ``patching_curves.py`` at one block for dictionaries fitted on more and more tokens,
with equally many epochs: the paper's, an untied and refitted one, PCA and ICA (on a sample of fixed
size). The texts are the given ones, as far as they last::

    python examples/paper/patching_tokens.py --out paper

Activations of the longest run are stored in the folder ``long`` of the output folder. Writes
``patching_tokens.csv``, ``patching_tokens_summary.csv`` and ``patching_tokens.png``.
"""

import argparse

import numpy as np
from common import complete, paper_parser, save_figure, write_table
from curves import cell_of, kl_at_edit, measured_curve
from ioi import ioi_prompts
from methods import BASELINES, LABELS, STYLES, fitted_baseline, fitted_sparse, mean_l0
from settings import size
from workspace import Workspace

from skdict.metrics import fvu

METHODS = ("sparse", "refit", "pca", "ica")


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument("--layer", type=int, default=setting.layer)
    few = size([20_000, 60_000, 180_000], [1000, 2000])
    many = size([150_000, 500_000, 2_000_000], [1000, 2000])
    parser.add_argument("--tokens", type=int, nargs="+", help=f"default: {few}, or {many} for LMs")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=LABELS)
    parser.add_argument("--pairs", type=int, default=size(50, 8))
    counts = [0, 1, 2, 4, 8, 16, 32, 64, 128, 512]
    parser.add_argument("--counts", type=int, nargs="+", default=counts)
    args = parser.parse_args()
    if args.tokens is None:
        args.tokens = few if args.model is None else many
    return args


def measured(workspace, args, seed, tokens, dictionary):
    """Return the records of the curve of one dictionary."""
    hook_point = f"resid_post.{args.layer}"
    rows = workspace.rows(hook_point).first(tokens)
    if dictionary in BASELINES:
        made = fitted_baseline(workspace, dictionary, rows, seed)
    else:
        made = fitted_sparse(workspace, rows, seed, name=dictionary)
    test = np.asarray(rows.test, dtype=np.float32)
    label = {"n_rows": len(rows.train), "l0": mean_l0(made, test)}
    label["fvu"] = fvu(test, made.inverse_transform(made.transform(test)))
    task = ioi_prompts(args, workspace.pair[1], args.pairs, seed)
    curve = {"order": "integrated_gradients", "n_steps": 5, "n_patched": args.counts}
    return [label | r for r in measured_curve(workspace.pair, hook_point, made, task, **curve)]


def groups_of(records, name, tokens, keys):
    """Return one array per key, of shape (n_seeds, n_points)."""
    own = [r for r in records if (r["dictionary"], r["tokens"]) == (name, tokens)]
    seeds = dict.fromkeys(r["seed"] for r in own)
    return [
        np.array([[r[key] for r in own if r["seed"] == seed] for seed in seeds]) for key in keys
    ]


def written(records, args):
    """Return the summary table, with a line per dictionary and number of tokens."""
    table = []
    for name in args.methods:
        for tokens in args.tokens:
            keys = ("n_patched", "relative_edit_magnitude", "kl", "fvu", "l0", "kl_error")
            n, edits, kls, error, l0, kl_error = groups_of(records, name, tokens, keys)
            row = {"dictionary": LABELS[name], "tokens": f"{tokens:,}"}
            row |= {"L0": f"{l0.mean():.1f}", "FVU": f"{error.mean():.3f}"}
            values = {f"{k} features": kls[:, np.searchsorted(n[0], k)] for k in (8, 128)}
            values |= {"at edit 0.3": kl_at_edit(edits, kls, 0.3), "error alone": kl_error[:, 0]}
            table.append(row | {title: cell_of(cells) for title, cells in values.items()})
    return table


def draw(records, args, path):
    """Draw the divergence after some features, at an edit and by the error, against tokens."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), sharey=True, layout="constrained")
    for name in args.methods:
        lines = ([], [], [])
        for tokens in args.tokens:
            keys = ("n_patched", "relative_edit_magnitude", "kl", "kl_error")
            n, edits, kls, kl_error = groups_of(records, name, tokens, keys)
            lines[0].append(kls[:, np.searchsorted(n[0], 32)].mean())
            lines[1].append(kl_at_edit(edits, kls, 0.3).mean())
            lines[2].append(kl_error[:, 0].mean())
        for axis, line in zip(axes, lines, strict=True):
            axis.plot(args.tokens, line, STYLES[name], label=LABELS[name])
    for axis, title in zip(
        axes,
        ("after 32 features", "at a relative edit of 0.3", "error exchanged alone"),
        strict=True,
    ):
        axis.set(xscale="log", xlabel="thousands of tokens to fit on", title=title, ylim=(0, None))
        axis.set_xticks(args.tokens, [f"{tokens / 1000:,g}" for tokens in args.tokens])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("KL to target (nats)")
    axes[0].legend(fontsize="small")
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    long = {"out": args.out / "long", "train_tokens": max(args.tokens)}
    workspace = Workspace(argparse.Namespace(**vars(args) | long))
    jobs = [
        {"seed": seed, "tokens": tokens, "dictionary": name}
        for tokens in args.tokens
        for seed in args.seeds
        for name in args.methods
    ]
    records = complete(
        args.out / "patching_tokens.csv", jobs, lambda **job: measured(workspace, args, **job)
    )
    draw(records, args, args.out / "patching_tokens.png")
    write_table(written(records, args), args.out / "patching_tokens_summary.csv")


if __name__ == "__main__":
    main()
