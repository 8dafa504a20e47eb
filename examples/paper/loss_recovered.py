r"""
How well does the model work on reconstructions?
================================================

After every block the residual stream is replaced by a dictionary's reconstruction, and the model
predicts from it: the perplexity under replacement of Cunningham et al. (2023), section 6.2, and
related measures. Sparse dictionaries are fitted along a path of alphas. PCA, ICA, random directions
and the neuron basis keep the strongest codes of each token, as many as the sparse dictionary of
each alpha has on average, with one gain for all codes fitted by least squares. Dictionaries are
fitted on some stories and measured on others.

Writes ``loss_recovered.csv``, ``loss_recovered_summary.csv`` and ``loss_recovered.png``
(cross-entropy against L0). Records already in the table are not measured again::

    python examples/paper/loss_recovered.py --out paper
    python examples/paper/loss_recovered.py --model stories260K --text stories.txt --out other
"""

import numpy as np
from common import (
    LABELS,
    STYLES,
    fitted_baselines,
    paper_parser,
    read_model,
    read_table,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, compare_dictionaries, sparse_dictionary_path
from skdict.decomposition import TopKDictionary
from skdict.evaluation import loss_recovered

MEASURES = ("cross_entropy_increase", "loss_recovered_zero", "loss_recovered_mean")
MEASURES += ("cross_entropy", "cross_entropy_reconstructed", "kl_divergence", "n_tokens")
MEASURES += ("perplexity", "perplexity_reconstructed")
# The summary shows the baselines only at the L0 of one alpha.
SUMMARY_ALPHAS, EQUAL_ALPHA = (0.05, 0.1, 0.2), 0.1


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=size([0, 1, 2, 3, 4], [2]))
    parser.add_argument("--n-train", type=int, default=size(400, 40), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(40, 8), help="texts to measure on")
    parser.add_argument("--n-components", type=int, default=size(512, 128))
    alphas = size([0.02, 0.05, 0.1, 0.2, 0.4], [0.1, 0.4])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    parser.add_argument("--max-iter", type=int, default=size(8, 1))
    parser.add_argument("--ica-rows", type=int, default=size(20_000, 1000))
    parser.add_argument("--max-length", type=int, default=128)
    return parser.parse_args()


def dictionaries(rows, held_out, args, seed):
    """Yield method, alpha and fitted dictionary; baselines are cut to the L0 of that alpha."""
    path = sparse_dictionary_path(
        rows,
        args.alphas,
        n_components=args.n_components,
        max_iter=args.max_iter,
        random_state=seed,
    )
    named = {f"{alpha:g}": sae for alpha, sae in zip(path.alphas, path, strict=True)}
    baselines = fitted_baselines(rows, args.n_components, seed, ica_rows=args.ica_rows)
    for alpha, sae in named.items():
        yield "sparse", alpha, sae
        n_active = max(1, round(compare_dictionaries({"it": sae}, None, held_out)["it"]["l0"]))
        for name, fitted in baselines.items():
            k = min(n_active, len(fitted.components_))
            yield name, alpha, TopKDictionary(fitted, k, gain=True, prefit=True).fit(rows)


def measured(pair, layer, seed, data, args):
    """Yield a record per dictionary at a layer."""
    rows, held_out, test = data
    for method, alpha, fitted in dictionaries(rows, held_out, args, seed):
        seen = compare_dictionaries({"it": fitted}, None, held_out)["it"]
        got = loss_recovered(pair, f"resid_post.{layer}", fitted, test, max_length=args.max_length)
        label = {"layer": layer, "seed": seed, "method": method, "alpha": alpha}
        yield label | {"l0": seen["l0"], "fvu": seen["fvu"]} | {m: got[m] for m in MEASURES}


def summary(records):
    """Return the summary table."""
    keys = ("layer", "method", "alpha")
    digits = {"l0": 1, "fvu": 2, "cross_entropy_increase": 2, "loss_recovered_mean": 3}
    digits |= {"kl_divergence": 2, "perplexity_reconstructed": 1}
    titles = ("L0", "FVU", "cross-entropy increase", "loss recovered", "KL", "perplexity")
    rows = []
    for r in summarize(records, keys, list(digits)):
        alpha = float(r["alpha"])
        if alpha not in SUMMARY_ALPHAS or (r["method"] != "sparse" and alpha != EQUAL_ALPHA):
            continue
        name = f"sparse, alpha {r['alpha']}" if r["method"] == "sparse" else LABELS[r["method"]]
        cells = [with_interval(r[m], r[f"{m} +-"], n) for m, n in digits.items()]
        label = {"block": r["layer"], "dictionary": name}
        rows.append(label | dict(zip(titles, cells, strict=True)))
    return sorted(rows, key=lambda r: (int(r["block"]), not r["dictionary"].startswith("sparse")))


def draw(records, path):
    """Draw cross-entropy against L0 for each layer, with intervals over seeds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    layers = sorted({int(record["layer"]) for record in records})
    figure, axes = plt.subplots(
        1, len(layers), figsize=(max(2.3 * len(layers), 4), 3.6), sharey=True, squeeze=False
    )
    for axis, layer in zip(axes[0], layers, strict=True):
        here = [record for record in records if int(record["layer"]) == layer]
        axis.axhline(float(here[0]["cross_entropy"]), color="0.6", label="original model")
        for name, style in STYLES.items():
            own = [record for record in here if record["method"] == name]
            points = summarize(own, ("alpha",), ("l0", "cross_entropy_reconstructed"))
            points = sorted(points, key=lambda point: point["l0"])
            l0, mean, half = (
                [p[key] for p in points]
                for key in (
                    "l0",
                    "cross_entropy_reconstructed",
                    "cross_entropy_reconstructed +-",
                )
            )
            axis.errorbar(l0, mean, half, fmt=style, label=LABELS[name], markersize=4, capsize=2)
        axis.set(xlabel="L0", title=f"block {layer}", xscale="log")
        axis.set_xticks([4, 16, 64], ["4", "16", "64"])
        axis.set_xticks([], minor=True)
    axes[0][0].set_ylabel("cross-entropy (nats per token)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=3)
    figure.set_layout_engine("constrained")
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "loss_recovered.csv"
    records = read_table(table)
    done = {(r["layer"], r["seed"]) for r in records}
    pair = read_model(args)
    train, test = read_texts(args, args.n_train, args.n_test)
    for layer in args.layers:
        missing = [seed for seed in args.seeds if (str(layer), str(seed)) not in done]
        if not missing:
            continue
        extractor = ActivationExtractor(pair, f"resid_post.{layer}", max_length=args.max_length)
        data = np.asarray(extractor.fit_transform(train)), extractor.fit_transform(test), test
        for seed in missing:
            records += measured(pair, layer, seed, data, args)
            write_table(records, table)
            print(f"measured block {layer}, seed {seed}", flush=True)
    write_table(summary(records), args.out / "loss_recovered_summary.csv")
    draw(records, args.out / "loss_recovered.png")


if __name__ == "__main__":
    main()
