"""
Does a larger dictionary contain the features of a smaller one?
===============================================================

Features are matched one to one by their signed cosines, between dictionaries of one size and the
next larger one, and between two seeds of one size (MMCS with larger dictionaries, the measure of
the code and the interim report of Cunningham et al., 2023). Two nulls replace the smaller
dictionary: the same number of random directions, and of centred rows of the data, which reflect
where the data point but not the features::

    python examples/paper/similarity_across_sizes.py --out paper

Only features that fire on held-out tokens are matched, because dead ones never left their initial
directions. All dictionaries see the same rows; seeds differ in the initial directions and the row
order. The nulls of the largest alpha are in ``similarity_across_sizes_nulls_summary.csv``.
"""

from functools import cache
from itertools import combinations, pairwise

import numpy as np
from common import (
    complete,
    paper_parser,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from methods import firing_counts, fitted_sparse
from settings import size
from workspace import Workspace

from skdict.metrics import max_cosine_similarity

THRESHOLD = 0.9
MIN_COUNT = 11
COMPARED = {"larger": "next larger size", "seed": "other seed, same size"}


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.set_defaults(seeds=size(setting.seeds, (0, 1)))
    parser.add_argument("--hook-point", default=f"resid_post.{setting.layer}")
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 1])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    alphas = sorted(setting.alphas[:3])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    return parser.parse_args()


def living_directions(workspace, rows, seed, ratio, alpha):
    """Return the directions of the features that fire on held-out tokens."""
    dictionary = fitted_sparse(workspace, rows, seed, ratio=ratio, alpha=alpha)
    return dictionary.components_[firing_counts(dictionary, rows.test) >= MIN_COUNT]


def similarities(smaller, reference, centred, seed):
    """Return a record of the similarity of two sets of directions and of the nulls."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(centred), len(smaller), replace=False)
    nulls = {"random": rng.standard_normal(smaller.shape), "rows": centred[chosen]}
    cosines = max_cosine_similarity(smaller, reference, one_to_one=True)
    record = {
        "living": len(smaller),
        "similarity": cosines.mean(),
        "shared": (cosines >= THRESHOLD).mean(),
    }
    return record | {
        name: max_cosine_similarity(null, reference, one_to_one=True).mean()
        for name, null in nulls.items()
    }


def jobs_of(args):
    """Return a job per pair of sizes and seed, and per pair of seeds and size, for each alpha."""
    jobs = []
    for alpha in args.alphas:
        for ratio, larger in pairwise([*args.ratios, None]):
            label = {"ratio": ratio, "alpha": alpha}
            if larger is not None:
                jobs += [label | {"compared": "larger", "seed": seed} for seed in args.seeds]
            pairs = [f"{one}-{other}" for one, other in combinations(args.seeds, 2)]
            jobs += [label | {"compared": "seed", "seed": pair} for pair in pairs]
    return jobs


def measured(args, directions, centred, ratio, alpha, compared, seed):
    """Yield the record of a job.

    Parameters
    ----------
    args : Namespace
        Options of this script.
    directions : callable
        Function from seed, ratio and alpha to the directions of the living features.
    centred : ndarray of shape (n_rows, width)
        Centred rows of the data.
    ratio, alpha, compared, seed : object
        Values of the job, see `jobs_of`.
    """
    if compared == "larger":
        larger = args.ratios[args.ratios.index(ratio) + 1]
        pair = directions(seed, ratio, alpha), directions(seed, larger, alpha)
    else:
        seed, other = map(int, seed.split("-"))
        pair = sorted((directions(seed, ratio, alpha), directions(other, ratio, alpha)), key=len)
    yield similarities(*pair, centred, seed)


def table_of_pairs(summary):
    """Return the mean cosine and share above 0.9 by alpha, and the nulls, as two tables."""
    rows, nulls = {}, {}
    for r in sorted(summary, key=lambda r: (r["compared"], r["ratio"], r["alpha"])):
        key = r["compared"], r["ratio"]
        label = {"compared with": COMPARED[key[0]], "features / width": f"{key[1]:g}"}
        row = rows.setdefault(key, dict(label))
        cell = with_interval(r["similarity"], r["similarity +-"])
        row[f"alpha {r['alpha']:g}"] = f"{cell} ({r['shared']:.0%})"
        # Overwritten up to the largest alpha; the figure has the nulls of the smallest.
        cells = {"living features": f"{r['living']:.0f}"}
        cells |= {"random directions": f"{r['random']:.2f}", "rows of the data": f"{r['rows']:.2f}"}
        nulls[key] = label | cells
    return list(rows.values()), list(nulls.values())


def draw(summary, path):
    """Draw mean cosine and share above 0.9 against size, next size left and seeds right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    alphas = sorted({r["alpha"] for r in summary})
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.5), sharex=True, sharey="row")
    for column, (kind, title) in zip(axes.T, COMPARED.items(), strict=True):
        for i, alpha in enumerate(alphas):
            rows = [r for r in summary if (r["compared"], r["alpha"]) == (kind, alpha)]
            for axis, measure in zip(column, ("similarity", "shared"), strict=True):
                points = [[r[key] for r in rows] for key in ("ratio", measure, f"{measure} +-")]
                axis.errorbar(*points, fmt=f"C{i}-o", capsize=2, label=f"alpha {alpha:g}")
        for null, style in (("random", "k:"), ("rows", "k--")):
            rows = [r for r in summary if (r["compared"], r["alpha"]) == (kind, alphas[0])]
            points = [[r[key] for r in rows] for key in ("ratio", null)]
            column[0].plot(*points, style, label=f"null: {null}")
        column[0].set_title(f"compared with the {title}", fontsize=12)
        column[1].set_xlabel("features / width", fontsize=12)
    for axis in axes.flat:
        ratios = sorted({r["ratio"] for r in summary})
        axis.set_xscale("log", base=2)
        axis.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("mean matched cosine", fontsize=12)
    axes[1][0].set_ylabel("share above 0.9", fontsize=12)
    axes[0][0].legend(fontsize=9)
    figure.tight_layout()
    save_figure(figure, path)


def main():
    """Compare all sizes, alphas and seeds, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    rows = workspace.rows(args.hook_point)
    centred = np.asarray(rows.train, dtype=np.float32)
    centred = centred - centred.mean(axis=0)
    directions = cache(lambda *key: living_directions(workspace, rows, *key))
    path = args.out / "similarity_across_sizes.csv"
    records = complete(
        path, jobs_of(args), lambda **job: measured(args, directions, centred, **job)
    )
    measures = ("living", "similarity", "shared", "random", "rows")
    summary = summarize(records, ("compared", "ratio", "alpha"), measures)
    draw(summary, args.out / "similarity_across_sizes.png")
    pairs, nulls = table_of_pairs(summary)
    write_table(nulls, args.out / "similarity_across_sizes_nulls_summary.csv")
    write_table(pairs, args.out / "similarity_across_sizes_summary.csv")


if __name__ == "__main__":
    main()
