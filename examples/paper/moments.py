r"""
Are features with heavy tails easier to explain?
================================================

The correlation, over features, of the interpretability score with the mean, variance, skew and
kurtosis of the activation (Cunningham et al., 2023, appendix C.4 and table 2). As in the paper, the
third and fourth moments are about zero:

.. math:: \mathrm{skew} = E[c^3] / \mathrm{Var}(c)^{3/2}, \qquad
    \mathrm{kurtosis} = E[c^4] / \mathrm{Var}(c)^2

over all held-out tokens, including those on which the feature is silent. Scores are correlations
between codes and the predictions of rules found in other texts, without a language model. In signed
dictionaries each sign of a component is a feature::

    python examples/paper/moments.py --out paper

``moments.csv`` has a line per scored feature. The summary has correlations within each dictionary
and over all of them, with intervals over seeds.
"""

import numpy as np
import scipy.sparse
import scipy.stats
from common import (
    LABELS,
    fitted_baselines,
    paper_parser,
    read_model,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, FeatureInterpreter, SparseDictionaryAutoencoder

MOMENTS = ("mean", "variance", "skew", "kurtosis")
ALL = "all together"


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=size([1, 3], [1]))
    parser.add_argument("--ratio", type=float, default=2, help="components divided by width")
    parser.add_argument("--alpha", type=float, default=0.2)
    parser.add_argument("--max-iter", type=int, default=size(6, 1), help="epochs")
    parser.add_argument("--sampling", default="full", help="see FeatureInterpreter")
    parser.add_argument("--n-features", type=int, default=size(150, 12), help="per dictionary")
    parser.add_argument("--n-train", type=int, default=size(300, 20), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(300, 30), help="texts to score on")
    return parser.parse_args()


def moments_of(codes):
    """Return the moments of codes of shape (n_tokens, n_features), the higher ones about 0."""
    codes = codes.astype(np.float64)
    mean, variance = codes.mean(axis=0), codes.var(axis=0)
    floor = np.maximum(variance, 1e-8 * variance.max())
    skew = (codes**3).mean(axis=0) / floor**1.5
    kurtosis = (codes**4).mean(axis=0) / floor**2
    return dict(zip(MOMENTS, (mean, variance, skew, kurtosis), strict=True))


def scored_features(args, dictionary, test, seed):
    """Yield the score and the moments of each scored feature of a dictionary."""
    interpreter = FeatureInterpreter(
        dictionary,
        n_features=args.n_features,
        sampling=args.sampling,
        nan_policy="omit",
        random_state=seed,
    ).fit(test)
    codes = dictionary.transform(np.asarray(test))
    codes = codes.toarray() if scipy.sparse.issparse(codes) else np.asarray(codes)
    kept = (interpreter.status_ == "scored") & np.isfinite(interpreter.scores_)
    features = interpreter.features_[kept]
    signs = np.where(features < codes.shape[1], 1, -1)
    moments = moments_of(np.maximum(codes[:, features % codes.shape[1]] * signs, 0))
    for i, feature in enumerate(features):
        values = {name: moments[name][i] for name in MOMENTS}
        yield {"feature": int(feature), "score": interpreter.scores_[kept][i], **values}


def measured(args, pair, texts, layer, seed):
    """Yield the records of all dictionaries at a layer."""
    extractor = ActivationExtractor(pair, f"resid_post.{layer}", skip_special_tokens=True)
    train, test = (extractor.fit_transform(part) for part in texts)
    n_components = round(args.ratio * train.shape[1])
    sparse = SparseDictionaryAutoencoder(
        n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
    )
    baselines = fitted_baselines(train, n_components, seed)
    for name, dictionary in {"sparse": sparse.fit(train), **baselines}.items():
        for record in scored_features(args, dictionary, test, seed):
            yield {"layer": layer, "dictionary": LABELS[name], "seed": seed} | record


def correlations(records):
    """Return correlations of score and moments, a record per layer, dictionary and seed."""
    groups = {}
    for r in records:
        for name in (r["dictionary"], ALL):
            groups.setdefault((r["layer"], name, r["seed"]), []).append(r)
    rows = []
    for (layer, name, seed), group in groups.items():
        score = [r["score"] for r in group]
        row = {"layer": layer, "dictionary": name, "seed": seed, "features": len(group)}
        for moment in MOMENTS:
            values = [r[moment] for r in group]
            row[moment] = scipy.stats.pearsonr(score, values).statistic
        row["rank"] = scipy.stats.spearmanr(score, [r["kurtosis"] for r in group]).statistic
        rows.append(row)
    return rows


def table_of_correlations(summary):
    """Return the summary table."""
    return [
        {
            "layer": r["layer"],
            "dictionary": r["dictionary"],
            "features": f"{r['features']:.0f}",
            **{name: with_interval(r[name], r[f"{name} +-"]) for name in MOMENTS},
            "kurtosis, by rank": with_interval(r["rank"], r["rank +-"]),
        }
        for r in sorted(summary, key=lambda r: (r["layer"], r["dictionary"] == ALL))
    ]


def draw(records, summary, path):
    """Draw scores against kurtosis for each layer, and the correlations below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    layers = sorted({r["layer"] for r in records})
    names = [*dict.fromkeys(r["dictionary"] for r in records), ALL]
    figure, axes = plt.subplots(
        2, len(layers), figsize=(5.5 * len(layers), 8), squeeze=False, layout="constrained"
    )
    for (points, bars), layer in zip(axes.T, layers, strict=True):
        for i, name in enumerate(names):
            group = [r for r in records if (r["layer"], r["dictionary"]) == (layer, name)]
            x, y = ([r[key] for r in group] for key in ("kurtosis", "score"))
            points.scatter(x, y, s=9, alpha=0.5, color=f"C{i}")
            (row,) = (r for r in summary if (r["layer"], r["dictionary"]) == (layer, name))
            at = np.arange(len(MOMENTS)) + (i - len(names) / 2) * 0.13
            heights, errors = ([row[m + end] for m in MOMENTS] for end in ("", " +-"))
            bars.bar(at, heights, 0.12, yerr=errors, color=f"C{i}", capsize=2, label=name)
        points.set(xscale="log", title=f"layer {layer}")
        points.set_xlabel("kurtosis of the activation (about zero)", fontsize=12)
        bars.set_xticks(range(len(MOMENTS)), MOMENTS, fontsize=12)
        bars.axhline(0, color="k", linewidth=0.8)
    axes[0][0].set_ylabel("interpretability score", fontsize=12)
    axes[1][0].set_ylabel("correlation with the score", fontsize=12)
    handles = axes[1][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncol=3, fontsize=11)
    save_figure(figure, path)


def main():
    """Score and measure every layer and seed, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for layer in args.layers:
        for seed in args.seeds:
            records += measured(args, pair, texts, layer, seed)
            print(f"measured layer {layer}, seed {seed}", flush=True)
        write_table(records, args.out / "moments.csv")
    measures = ("features", *MOMENTS, "rank")
    summary = summarize(correlations(records), ("layer", "dictionary"), measures)
    draw(records, summary, args.out / "moments.png")
    write_table(table_of_correlations(summary), args.out / "moments_summary.csv")


if __name__ == "__main__":
    main()
