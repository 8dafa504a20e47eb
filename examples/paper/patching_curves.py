r"""
Does a sparse dictionary need fewer and smaller edits to change a behaviour?
============================================================================

Indirect object identification with one name replaced, following Cunningham et al. (2023), section
4, figure 3 and appendix F. More and more features of the run on the counterfactual are patched into
the run on the prompt. The distance to the target run, KL(patched || target), is measured against
the number of features and against the size of the edit, at every block, for sparse dictionaries at
four alphas and at alpha 0, PCA, ICA, random directions and the neuron basis. Pronouns and number
agreement are further tasks.

Writes ``patching_curves.csv`` and ``patching_curves.png``, and summaries after a number of features
(``patching_curves_summary.csv``), at an edit (``patching_curves_edit_summary.csv``) and with all
features (``patching_curves_all_summary.csv``). Records already in the table are kept and not
measured again; the summaries and the figure cover the requested tasks::

    python examples/paper/patching_curves.py --out paper
    python examples/paper/patching_curves.py --out tasks --tasks pronouns agreement
    python examples/paper/patching_curves.py --out acdc --layers 2 --order acdc \
        --methods "sparse 0.1" pca
"""

import time

import numpy as np
from common import (
    LABELS,
    STYLES,
    drop_constant,
    fitted_baselines,
    interval,
    paper_parser,
    read_model,
    read_table,
    read_texts,
    save_figure,
    size,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.datasets import make_agreement, make_ioi, make_pronouns
from skdict.interventions import patching_curve

TASKS = {"ioi": make_ioi, "pronouns": make_pronouns, "agreement": make_agreement}
COLUMNS = ("n_patched", "kl", "reverse_kl", "logit_diff")
COLUMNS += ("edit_magnitude", "relative_edit_magnitude")
ENDS = ("kl_base", "kl_error", "n_features_90", "area")
KEYS = ("task", "layer", "seed", "dictionary", "order")


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=size([0, 1, 2, 3, 4], [2]))
    alphas = size([0.4, 0.2, 0.1, 0.03, 0.0], [0.1])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    parser.add_argument("--methods", nargs="+", help='only these, such as "sparse 0.1" pca')
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["ioi"])
    parser.add_argument("--order", default="integrated_gradients")
    parser.add_argument("--pairs", type=int, default=size(50, 8))
    parser.add_argument("--texts", type=int, default=size(200, 20), help="texts to fit on")
    parser.add_argument("--rows", type=int, default=size(20_000, 2000), help="rows to fit on")
    parser.add_argument("--max-iter", type=int, default=size(4, 1))
    counts = [0, 1, 2, 4, 8, 16, 32, 64, 128, 512]
    parser.add_argument("--counts", type=int, nargs="+", default=counts)
    parser.add_argument("--at", type=int, default=8, help="number of features in the summary")
    parser.add_argument("--edit", type=float, default=0.3, help="relative edit in the summary")
    return parser.parse_args()


def names(args):
    """Return the names of all dictionaries."""
    everything = [f"sparse {alpha:g}" for alpha in args.alphas]
    everything += [name for name in LABELS if name != "sparse"]
    return [name for name in everything if args.methods is None or name in args.methods]


def fitted(rows, wanted, args, seed):
    """Yield the name and the fitted dictionary of each one wanted."""
    width = rows.shape[1]
    for name in wanted:
        if name.startswith("sparse"):
            alpha = float(name.split()[1])
            options = {"alpha": alpha, "max_iter": args.max_iter, "random_state": seed}
            yield name, SparseDictionaryAutoencoder(4 * width, **options).fit(rows)
    others = [name for name in wanted if name in LABELS]
    if others:
        baselines = fitted_baselines(rows, 4 * width, seed)
        yield from ((name, baselines[name]) for name in others)


def curve_of(pair, dictionary, task, label, args):
    """Return a record per point of a curve."""
    curve = patching_curve(
        pair[0],
        f"resid_post.{label['layer']}",
        dictionary,
        task,
        order=args.order,
        n_steps=5,
        n_patched=args.counts,
    )
    ends = {key: curve[key] for key in ENDS} | {"n_differing": len(curve.order)}
    points = ({c: float(curve[c][i]) for c in COLUMNS} for i in range(len(curve.n_patched)))
    return [label | point | ends for point in points]


def label_of(name):
    """Return the label of a dictionary in tables and figures."""
    return f"sparse, alpha {name.split()[1]}" if name.startswith("sparse") else LABELS[name]


def curves(records, task, layer, name, args):
    """Return counts, edits and divergences, each of shape (n_seeds, n_points)."""
    by_seed = {}
    for r in records:
        key = r["task"], int(r["layer"]), r["dictionary"], r["order"]
        if key == (task, layer, name, args.order):
            by_seed.setdefault(r["seed"], []).append(r)
    return (
        np.array([[float(r[c]) for r in group] for group in by_seed.values()])
        for c in ("n_patched", "relative_edit_magnitude", "kl")
    )


def kl_at_edit(edits, kls, edit):
    """Return the divergence where each curve first reaches an edit, nan if it never does."""
    values = []
    for x, y in zip(np.maximum.accumulate(edits, axis=1), kls, strict=True):
        values.append(np.interp(edit, x, y) if x[-1] >= edit else np.nan)
    return np.array(values)


def summary(records, args):
    """Return the KL after a number of features, at an edit and with all, as three tables."""
    tables = {"": [], "_edit": [], "_all": []}
    for task in args.tasks:
        for name in names(args):
            rows = [{"task": task, "dictionary": label_of(name)} for _ in tables]
            for layer in args.layers:
                counts, edits, kls = curves(records, task, layer, name, args)
                measures = (
                    kls[:, np.searchsorted(counts[0], args.at)],
                    kl_at_edit(edits, kls, args.edit),
                    kls[:, -1],
                )
                for row, values in zip(rows, measures, strict=True):
                    known = not np.isnan(values).any()
                    row[f"block {layer}"] = with_interval(*interval(values)) if known else "-"
            for table, row in zip(tables.values(), rows, strict=True):
                table.append(row)
    return {measure: drop_constant(table, "task") for measure, table in tables.items()}


def write_summaries(records, args):
    """Write the three summaries, the main one last because it marks the run as complete."""
    for measure, table in reversed(summary(records, args).items()):
        write_table(table, args.out / f"patching_curves{measure}_summary.csv")


def draw(records, path, args):
    """Draw KL against features patched and against the edit, two rows of panels per task."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shape = 2 * len(args.tasks), len(args.layers)
    figure, axes = plt.subplots(
        *shape, figsize=(max(2.4 * shape[1], 5), 2.9 * shape[0] + 0.8), squeeze=False, sharey="row"
    )
    colors = plt.cm.viridis(np.linspace(0, 0.9, len(args.alphas)))
    shades = dict(zip(args.alphas, colors, strict=True))
    for number, task in enumerate(args.tasks):
        above, below = axes[2 * number : 2 * number + 2]
        for column, layer in enumerate(args.layers):
            for name in names(args):
                counts, edits, kls = (
                    a.mean(axis=0) for a in curves(records, task, layer, name, args)
                )
                style = {"markersize": 3, "label": label_of(name), "linewidth": 1.3}
                if name.startswith("sparse"):
                    style |= {"color": shades[float(name.split()[1])], "marker": "o"}
                else:
                    color, marker = STYLES[name].split("-")
                    style |= {"color": color, "marker": marker, "linestyle": "--"}
                above[column].plot(counts, kls, **style)
                below[column].plot(edits, kls, **style)
            above[column].set(
                xscale="symlog", title=f"{task}, block {layer}", xlabel="features patched"
            )
            below[column].set(xlabel="relative edit", xlim=(0, 1))
        for row in (above, below):
            row[0].set_ylabel("KL to target (nats)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncol=5)
    figure.set_layout_engine("constrained")
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "patching_curves.csv"
    records = read_table(table)
    done = {tuple(r[key] for key in KEYS) for r in records}
    pair, (texts, _) = read_model(args), read_texts(args, args.texts, 0)
    for layer in args.layers:
        rows = None
        for seed in args.seeds:
            missing = {}
            for name in names(args):
                for task in args.tasks:
                    if (task, str(layer), str(seed), name, args.order) not in done:
                        missing.setdefault(name, []).append(task)
            if not missing:
                continue
            if rows is None:
                rows = np.asarray(ActivationExtractor(pair, f"resid_post.{layer}").transform(texts))
            chosen = rows[np.random.default_rng(seed).permutation(len(rows))[: args.rows]]
            made = {t: TASKS[t](args.pairs, pair[1], random_state=seed) for t in args.tasks}
            for name, dictionary in fitted(chosen, missing, args, seed):
                for task in missing[name]:
                    values = task, layer, seed, name, args.order
                    label = dict(zip(KEYS, values, strict=True))
                    start = time.perf_counter()
                    records += curve_of(pair, dictionary, made[task], label, args)
                    seconds = time.perf_counter() - start
                    print(f"block {layer}, seed {seed}, {task}, {name}: {seconds:.1f} s")
            write_table(records, table)
            print(f"measured block {layer}, seed {seed}", flush=True)
    write_summaries(records, args)
    draw(records, args.out / "patching_curves.png", args)


if __name__ == "__main__":
    main()
