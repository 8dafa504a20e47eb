"""
How well does the model work on reconstructions?
================================================

After a block the residual stream is replaced by a dictionary's reconstruction, and the model
predicts from it: the perplexity under replacement of Cunningham et al. (2023), section 6.2, and
related measures. The paper's tied dictionary is fitted for several alphas; the untied, refitted and
BatchTopK dictionaries at one target L0. PCA, ICA, random directions and the neuron basis keep the
strongest codes of each token, as many as the tied dictionary of each alpha has on average, with one
gain for all codes fitted by least squares. L0 and FVU are those of held-out rows, and the model
reads the beginnings of the first held-out documents::

    python examples/paper/loss_recovered.py --out paper

``loss_recovered_summary.csv`` has every method, with baselines at the L0 of ``--alpha``;
``loss_recovered_alphas_summary.csv`` the tied dictionary by alpha; and ``loss_recovered.png`` the
increase in cross-entropy against L0.
"""

from common import (
    complete,
    paper_parser,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from methods import BASELINES, LABELS, SPARSE, STYLES, fitted_baseline, fitted_sparse, measures
from settings import size
from workspace import Workspace, cut

from skdict.evaluation import loss_recovered

# Many dictionaries are measured, and these rows fix L0 and FVU to three digits.
TEST_ROWS = 20_000
# The measures of the summary and their digits.
MEASURES = {
    "l0": 1,
    "fvu": 2,
    "cross_entropy_increase": 2,
    "loss_recovered_mean": 3,
    "kl_divergence": 2,
    "perplexity_reconstructed": 1,
}


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=setting.layers)
    parser.add_argument("--alphas", type=float, nargs="+", default=setting.alphas)
    texts = "number of documents that the model reads for each dictionary"
    parser.add_argument("--n-texts", type=int, default=size(32, 8), help=texts)
    tokens = "tokens read of each document"
    parser.add_argument("--text-tokens", type=int, default=size(128, 64), help=tokens)
    args = parser.parse_args()
    # The tables compare all methods at this alpha.
    args.alphas = sorted({*args.alphas, args.alpha})
    return args


def dictionaries(workspace, rows, seed):
    """Yield method, alpha, fitted dictionary, and its L0 and FVU.

    Alpha is "" for a dictionary with a target L0, and for baselines that of the tied dictionary
    whose L0 they are cut to.
    """
    baselines = {name: fitted_baseline(workspace, name, rows, seed) for name in BASELINES}
    for alpha in workspace.args.alphas:
        sparse = fitted_sparse(workspace, rows, seed, alpha=alpha)
        found = measures(sparse, rows.test)
        yield "sparse", alpha, sparse, found
        for name, baseline in baselines.items():
            k = min(max(1, round(found["l0"])), len(baseline.components_))
            at_l0 = cut(baseline, k, rows, gain=True)
            yield name, alpha, at_l0, measures(at_l0, rows.test)
    for name in SPARSE:
        if name != "sparse":
            fitted = fitted_sparse(workspace, rows, seed, name=name)
            yield name, "", fitted, measures(fitted, rows.test)


def measured(workspace, layer, seed):
    """Yield a record per method and alpha at a layer."""
    hook_point = f"resid_post.{layer}"
    rows = workspace.rows(hook_point)
    rows = rows._replace(test=rows.test[:TEST_ROWS])
    methods, alphas, fitted, found = zip(*dictionaries(workspace, rows, seed), strict=True)
    effects = loss_recovered(
        workspace.pair,
        hook_point,
        dict(enumerate(fitted)),
        workspace.test_texts[: workspace.args.n_texts],
        max_length=workspace.args.text_tokens,
    )
    for method, alpha, own, effect in zip(methods, alphas, found, effects.values(), strict=True):
        yield {"method": method, "alpha": alpha} | own | effect


def table_of_methods(summary, alpha):
    """Return the summary table: every method at each layer, at the L0 of one alpha."""
    titles = ("L0", "FVU", "cross-entropy increase", "loss recovered", "KL", "perplexity")
    rows = []
    for r in summary:
        if r["alpha"] in (alpha, ""):
            cells = [with_interval(r[m], r[f"{m} +-"], n) for m, n in MEASURES.items()]
            label = {"block": r["layer"], "dictionary": LABELS[r["method"]]}
            rows.append(label | dict(zip(titles, cells, strict=True)))
    return rows


def table_of_alphas(summary):
    """Return the increase in cross-entropy at L0 of the tied dictionary, a column per layer."""
    rows = {}
    for r in summary:
        if r["method"] == "sparse":
            row = rows.setdefault(r["alpha"], {"alpha": f"{r['alpha']:g}"})
            row[f"block {r['layer']}"] = f"{r['cross_entropy_increase']:.2f} at {r['l0']:.1f}"
    return list(rows.values())


def draw_layer(axis, summary):
    """Draw the increase in cross-entropy against L0 for each method at a layer."""
    for name, style in STYLES.items():
        points = sorted((r for r in summary if r["method"] == name), key=lambda r: r["l0"])
        keys = ("l0", "cross_entropy_increase", "cross_entropy_increase +-")
        values = [[point[key] for point in points] for key in keys]
        axis.errorbar(*values, fmt=style, label=LABELS[name], markersize=4, capsize=2)


def draw(summary, path):
    """Draw the increase in cross-entropy against L0, with a panel per layer."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    layers = list(dict.fromkeys(r["layer"] for r in summary))
    figure, axes = plt.subplots(
        1,
        len(layers),
        figsize=(max(2.3 * len(layers), 7), 4),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, layer in zip(axes[0], layers, strict=True):
        draw_layer(axis, [r for r in summary if r["layer"] == layer])
        axis.set(xlabel="L0", title=f"block {layer}", xscale="log", yscale="log")
        axis.set_xticks([4, 16, 64], ["4", "16", "64"])
        axis.set_xticks([], minor=True)
        axis.grid(alpha=0.3)
    ticks = [0.03, 0.1, 0.3, 1, 3, 10]
    axes[0][0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0][0].set_yticks([], minor=True)
    axes[0][0].set_ylabel("increase in cross-entropy (nats per token)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=4)
    save_figure(figure, path)


def main():
    """Measure every layer and seed, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [{"layer": layer, "seed": seed} for layer in args.layers for seed in args.seeds]
    path = args.out / "loss_recovered.csv"
    records = complete(path, jobs, lambda **job: measured(workspace, **job))
    summary = summarize(records, ("layer", "method", "alpha"), MEASURES)
    summary.sort(key=lambda r: (r["layer"], list(LABELS).index(r["method"])))
    draw(summary, args.out / "loss_recovered.png")
    write_table(table_of_alphas(summary), args.out / "loss_recovered_alphas_summary.csv")
    write_table(table_of_methods(summary, args.alpha), args.out / "loss_recovered_summary.csv")


if __name__ == "__main__":
    main()
