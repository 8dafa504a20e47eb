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

from itertools import combinations

import numpy as np
from common import (
    paper_parser,
    read_model,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, sparse_dictionary_path
from skdict.metrics import dead_features, max_cosine_similarity

THRESHOLD = 0.9
MIN_COUNT = 11
COMPARED = {"larger": "next larger size", "seed": "other seed, same size"}


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.set_defaults(seeds=size([0, 1, 2], [0, 1]))
    parser.add_argument("--hook-point", default="resid_post.2")
    ratios = size([0.5, 1, 2, 4, 8], [0.5, 1])
    parser.add_argument("--ratios", type=float, nargs="+", default=ratios)
    alphas = size([0.1, 0.2, 0.4], [0.1, 0.3])
    parser.add_argument("--alphas", type=float, nargs="+", default=alphas)
    parser.add_argument("--max-iter", type=int, default=size(6, 1), help="epochs")
    parser.add_argument("--n-train", type=int, default=size(300, 20), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(150, 20), help="held-out texts")
    return parser.parse_args()


def living_directions(args, train, test):
    """Return the directions of the living features as {(seed, ratio, alpha): array}."""
    found = {}
    for seed in args.seeds:
        for ratio in args.ratios:
            path = sparse_dictionary_path(
                train,
                args.alphas,
                n_components=round(ratio * train.shape[1]),
                max_iter=args.max_iter,
                random_state=seed,
            )
            for dictionary in path:
                dead = dead_features(dictionary.transform(test), min_count=MIN_COUNT)
                found[seed, ratio, dictionary.alpha] = dictionary.components_[~dead]
        print(f"fitted seed {seed}", flush=True)
    return found


def compared(label, smaller, reference, train, seed):
    """Return a record of the similarity of two sets of directions and of the nulls."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(train), len(smaller), replace=False)
    nulls = {
        "random": rng.standard_normal(smaller.shape),
        "rows": train[chosen] - train.mean(axis=0),
    }
    cosines = max_cosine_similarity(smaller, reference, one_to_one=True)
    record = label | {
        "living": len(smaller),
        "similarity": cosines.mean(),
        "shared": (cosines >= THRESHOLD).mean(),
    }
    return record | {
        name: max_cosine_similarity(null, reference, one_to_one=True).mean()
        for name, null in nulls.items()
    }


def measured(args, found, train):
    """Yield a record per pair of sizes and per pair of seeds."""
    for alpha in args.alphas:
        for i, ratio in enumerate(args.ratios):
            label = {"ratio": ratio, "alpha": alpha}
            for seed in args.seeds if i + 1 < len(args.ratios) else ():
                pair = (found[seed, r, alpha] for r in args.ratios[i : i + 2])
                smaller, larger = pair
                run = label | {"compared": "larger", "seed": seed}
                yield compared(run, smaller, larger, train, seed)
            for number, (one, other) in enumerate(combinations(args.seeds, 2)):
                pair = found[one, ratio, alpha], found[other, ratio, alpha]
                run = label | {"compared": "seed", "seed": f"{one}-{other}"}
                yield compared(run, *sorted(pair, key=len), train, number)


def table_of_pairs(summary):
    """Return the mean cosine and share above 0.9 by alpha, and the nulls, as two tables."""
    rows, nulls = {}, {}
    for r in sorted(summary, key=lambda r: (r["compared"], r["ratio"], r["alpha"])):
        key = r["compared"], r["ratio"]
        label = {"compared with": COMPARED[key[0]], "components / width": f"{key[1]:g}"}
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
        column[1].set_xlabel("components / width", fontsize=12)
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
    """Fit and compare all sizes, alphas and seeds, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    extractor = ActivationExtractor(pair, args.hook_point)
    train, test = (np.asarray(extractor.transform(part)) for part in texts)
    records = list(measured(args, living_directions(args, train, test), train))
    write_table(records, args.out / "similarity_across_sizes.csv")
    measures = ("living", "similarity", "shared", "random", "rows")
    summary = summarize(records, ("compared", "ratio", "alpha"), measures)
    draw(summary, args.out / "similarity_across_sizes.png")
    pairs, nulls = table_of_pairs(summary)
    write_table(nulls, args.out / "similarity_across_sizes_nulls_summary.csv")
    write_table(pairs, args.out / "similarity_across_sizes_summary.csv")


if __name__ == "__main__":
    main()
