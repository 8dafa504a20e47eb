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

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
from common import (
    drop_constant,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from interpretability import codes_of, interpretability_parser, measured_by_seed
from methods import LABELS, METHODS, STYLES, fitted_methods

from skdict import FeatureInterpreter

MOMENTS = ("mean", "variance", "skew", "kurtosis")
ALL = "all together"


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
        dictionary, n_features=args.n_features, nan_policy="omit", random_state=seed
    ).fit(test)
    kept = (interpreter.status_ == "scored") & np.isfinite(interpreter.scores_)
    features = interpreter.features_[kept]
    moments = moments_of(codes_of(dictionary, features, test))
    for i, feature in enumerate(features):
        values = {name: moments[name][i] for name in MOMENTS}
        yield {"feature": int(feature), "score": interpreter.scores_[kept][i], **values}


def measure(workspace, rows, seed):
    """Yield a record per scored feature of each dictionary."""
    for name, dictionary in fitted_methods(workspace, rows, seed).items():
        for record in scored_features(workspace.args, dictionary, rows.test, seed):
            yield {"dictionary": name} | record


def correlations(records):
    """Return correlations of score and moments, a record per layer, dictionary and seed."""
    groups = {}
    for r in records:
        for name in (r["dictionary"], ALL):
            groups.setdefault((r["hook_point"], name, r["seed"]), []).append(r)
    rows = []
    for (hook_point, name, seed), group in groups.items():
        score = [r["score"] for r in group]
        row = {"hook_point": hook_point, "dictionary": name, "seed": seed, "features": len(group)}
        for moment in MOMENTS:
            values = [r[moment] for r in group]
            row[moment] = scipy.stats.pearsonr(score, values).statistic
        row["rank"] = scipy.stats.spearmanr(score, [r["kurtosis"] for r in group]).statistic
        rows.append(row)
    return rows


def table_of_correlations(summary):
    """Return the summary table."""
    table = [
        {
            "layer": place_label(r["hook_point"]),
            "dictionary": LABELS.get(r["dictionary"], ALL),
            "features": f"{r['features']:.0f}",
            **{name: with_interval(r[name], r[f"{name} +-"]) for name in MOMENTS},
            "kurtosis, by rank": with_interval(r["rank"], r["rank +-"]),
        }
        for r in sorted(summary, key=lambda r: (r["hook_point"], r["dictionary"] == ALL))
    ]
    return drop_constant(table, "layer")


def draw(records, summary, path):
    """Draw scores against kurtosis for each layer, and the correlations below."""
    hooks = list(dict.fromkeys(r["hook_point"] for r in records))
    figure, axes = plt.subplots(
        2, len(hooks), figsize=(5.5 * len(hooks) + 2, 8), squeeze=False, layout="constrained"
    )
    for (points, bars), hook_point in zip(axes.T, hooks, strict=True):
        for i, name in enumerate((*METHODS, ALL)):
            color = "C3" if name == ALL else STYLES[name].split("-")[0]
            group = [r for r in records if (r["hook_point"], r["dictionary"]) == (hook_point, name)]
            x, y = ([r[key] for r in group] for key in ("kurtosis", "score"))
            points.scatter(x, y, s=9, alpha=0.5, color=color)
            row = next(
                r for r in summary if (r["hook_point"], r["dictionary"]) == (hook_point, name)
            )
            at = np.arange(len(MOMENTS)) + (i - len(METHODS) / 2) * 0.13
            heights, errors = ([row[m + end] for m in MOMENTS] for end in ("", " +-"))
            label = LABELS.get(name, ALL)
            bars.bar(at, heights, 0.12, yerr=errors, color=color, capsize=2, label=label)
        points.set(xscale="log", title=place_label(hook_point))
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
    args = interpretability_parser(__doc__)[0].parse_args()
    records = measured_by_seed(args, "moments", measure)
    measures = ("features", *MOMENTS, "rank")
    summary = summarize(correlations(records), ("hook_point", "dictionary"), measures)
    draw(records, summary, args.out / "moments.png")
    write_table(table_of_correlations(summary), args.out / "moments_summary.csv")


if __name__ == "__main__":
    main()
