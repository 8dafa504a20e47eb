r"""
Does the text that explanations are scored on matter?
=====================================================

Cunningham et al. (2023) score on ten fragments per feature: five with its largest codes and five
sampled from those where it fires (figure 2), or the sampled ones alone (figure 9), in the residual
stream and in an MLP (figure 10). This script scores the same dictionaries and explanations on both
kinds, on each kind alone, and on every token of the texts::

    python examples/paper/interpretability_sampling.py --out paper
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import (
    LABELS,
    STYLES,
    drop_constant,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)
from interpretability import (
    CUTS,
    METHODS,
    cut,
    fitted_dictionaries,
    interpretability_parser,
    mean_l0,
    measured_by_seed,
    place_label,
)

from skdict.interpretation import InterpretabilityScorer

SAMPLINGS = {
    "top": "top",
    "top_and_random": "top and random",
    "random": "random",
    "full": "all text",
}
KEYS = ("hook_point", "cut", "sampling", "dictionary")


def measure(args, train, test, seed):
    """Yield a record per dictionary, cut and kind of text."""
    methods = fitted_dictionaries(args, train, seed)
    n_active = max(1, round(mean_l0(methods["sparse"], test)))
    for name in METHODS:
        # Cutting the sparse dictionary to its own L0 changes nothing.
        equal = methods[name] if name == "sparse" else cut(methods[name], n_active, train)
        for how, dictionary in {"own": methods[name], "equal": equal}.items():
            for sampling in SAMPLINGS:
                scorer = InterpretabilityScorer(
                    n_features=args.n_features, sampling=sampling, random_state=seed
                )
                found = scorer.measure(dictionary, test)
                record = {"cut": how, "sampling": sampling, "dictionary": name, "seed": seed}
                yield record | {key: found[key] for key in ("interpretability", "n_scored")}


def written(groups):
    """Return the summary table: methods side by side, a line per kind of text."""
    rows = []
    for hook_point, how, sampling in dict.fromkeys(key[:3] for key in groups):
        row = {"layer": place_label(hook_point), "codes": CUTS[how]}
        row["scored on"] = SAMPLINGS[sampling]
        for name in METHODS:
            found = groups[hook_point, how, sampling, name]
            row[LABELS[name]] = with_interval(
                found["interpretability"], found["interpretability +-"]
            )
        rows.append(row)
    return drop_constant(rows, "layer")


def draw(groups, path):
    """Draw the mean score of each dictionary by kind of text."""
    hooks = list(dict.fromkeys(key[0] for key in groups))
    shape = {"squeeze": False, "sharex": True, "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(2, len(hooks), figsize=(4.4 * len(hooks) + 0.6, 6.4), **shape)
    for row, how in zip(axes, CUTS, strict=True):
        for axis, hook_point in zip(row, hooks, strict=True):
            for name in METHODS:
                found = [groups[hook_point, how, sampling, name] for sampling in SAMPLINGS]
                means, halves = (
                    [m[key] for m in found] for key in ("interpretability", "interpretability +-")
                )
                axis.errorbar(
                    list(SAMPLINGS.values()),
                    means,
                    halves,
                    fmt=STYLES[name],
                    capsize=2,
                    label=LABELS[name],
                )
            axis.set_title(f"{place_label(hook_point)}, {CUTS[how]}")
            axis.set_ylim(0, 1)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("mean score")
    for axis in axes[1]:
        axis.set_xlabel("scored on")
    axes[0][0].legend(fontsize="small", ncols=2, loc="lower left")
    save_figure(figure, path)


def main():
    """Measure every kind of text, and write the tables and the figure."""
    parser = interpretability_parser(__doc__)
    parser.add_argument("--hook-points", nargs="+", default=["resid_post.2"])
    parser.set_defaults(n_train=size(300, 30), n_test=size(200, 30))
    args = parser.parse_args()
    path = args.out / "interpretability_sampling.csv"
    records = measured_by_seed(args, measure, path)
    groups = {
        tuple(row[key] for key in KEYS): row
        for row in summarize(records, KEYS, ["interpretability"])
    }
    groups = dict(sorted(groups.items(), key=lambda item: _rank(args, item[0])))
    write_table(written(groups), args.out / "interpretability_sampling_summary.csv")
    draw(groups, args.out / "interpretability_sampling.png")


def _rank(args, key):
    return args.hook_points.index(key[0]), list(CUTS).index(key[1]), list(SAMPLINGS).index(key[2])


if __name__ == "__main__":
    main()
