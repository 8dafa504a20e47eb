r"""
Does the text that explanations are scored on matter?
=====================================================

Cunningham et al. (2023) score on ten fragments per feature: five with its largest codes and five
sampled from those where it fires (figure 2), or the sampled ones alone (figure 9), in the residual
stream and in an MLP (figure 10). This script scores the same dictionaries and explanations on both
kinds, on each kind alone, and on every token of the texts::

    python examples/paper/interpretability_sampling.py --out paper
"""

import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from common import (
    drop_constant,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from interpretability import (
    CUTS,
    at_own_and_equal_l0,
    interpretability_parser,
    measured_by_seed,
)
from methods import LABELS, METHODS, STYLES, fitted_methods

from skdict.interpretation import InterpretabilityScorer

SAMPLINGS = {
    "top": "top",
    "top_and_random": "top and random",
    "random": "random",
    "full": "all text",
}
KEYS = ("hook_point", "cut", "sampling", "dictionary")


def measure(workspace, rows, seed):
    """Yield a record per dictionary, cut and kind of text."""
    options = {"n_features": workspace.args.n_features, "random_state": seed}
    methods = fitted_methods(workspace, rows, seed)
    for name, cuts, dictionary in at_own_and_equal_l0(methods, rows):
        for sampling in SAMPLINGS:
            scorer = InterpretabilityScorer(sampling=sampling, **options)
            found = scorer.measure(dictionary, rows.test)
            found = {key: found[key] for key in ("interpretability", "n_scored")}
            for how in cuts:
                yield {"cut": how, "sampling": sampling, "dictionary": name} | found


def written(groups):
    """Return the summary table: methods side by side, a line per kind of text."""
    rows = []
    hooks = dict.fromkeys(key[0] for key in groups)
    for hook_point, how, sampling in itertools.product(hooks, CUTS, SAMPLINGS):
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
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize="small")
    save_figure(figure, path)


def main():
    """Measure every kind of text, and write the tables and the figure."""
    args = interpretability_parser(__doc__)[0].parse_args()
    rows = measured_by_seed(args, "interpretability_sampling", measure)
    rows = summarize(rows, KEYS, ["interpretability"])
    groups = {tuple(row[key] for key in KEYS): row for row in rows}
    draw(groups, args.out / "interpretability_sampling.png")
    write_table(written(groups), args.out / "interpretability_sampling_summary.csv")


if __name__ == "__main__":
    main()
