r"""
Are features of a sparse dictionary easier to explain?
======================================================

The comparison of Cunningham et al. (2023), figures 2 and 10, offline: a sparse dictionary, ICA,
PCA, random directions and the neuron basis on the same rows, layer by layer, in the residual stream
and in the outputs of the MLPs, at their own L0 and cut to that of the sparse dictionary. Some hook
points are also measured on the model with re-initialised weights::

    python examples/paper/interpretability.py --out paper
    python examples/paper/interpretability.py --model stories260K --text tinystories-train.txt \
        --n-train 300 --n-test 240 --out scratch/stories260K

Dictionaries are fitted on some texts, and explained and scored on others. Earlier measurements stay
in the table, and the same command resumes from there.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse
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

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, compare_dictionaries
from skdict.decomposition import TopKDictionary
from skdict.interpretation import InterpretabilityScorer, reinitialize_model

METHODS = tuple(LABELS)
MEASURES = ("interpretability", "context_gain", "shuffled", "fvu", "l0", "n_scored")
KEYS = ("weights", "hook_point", "cut", "dictionary")
PLACES = {"resid_post": "residual", "mlp_out": "MLP"}
CUTS = {"own": "own L0", "equal": "equal L0"}


def interpretability_parser(description):
    """Return a parser with the sizes common to the scripts on interpretability."""
    parser = paper_parser(description)
    add = parser.add_argument
    add("--n-train", type=int, default=size(400, 30), help="texts to fit on")
    add("--n-test", type=int, default=size(300, 30), help="texts to explain and score on")
    add("--ratio", type=float, default=4, help="features of the sparse dictionary divided by width")
    add("--alpha", type=float, default=0.2)
    add("--max-iter", type=int, default=size(8, 1), help="epochs of the sparse dictionary")
    add("--n-features", type=int, default=size(150, 10), help="features to explain per dictionary")
    return parser


def fitted_sparse(args, rows, seed, ratio=None):
    """Return the fitted sparse dictionary."""
    n_components = round((ratio or args.ratio) * rows.shape[1])
    dictionary = SparseDictionaryAutoencoder(
        n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
    )
    return dictionary.fit(np.asarray(rows))


def fitted_dictionaries(args, rows, seed):
    """Return the five fitted dictionaries."""
    sparse = fitted_sparse(args, rows, seed)
    return {"sparse": sparse} | fitted_baselines(rows, len(sparse.components_), seed)


def cut(dictionary, n_active, rows):
    """Return a fitted dictionary that keeps the strongest codes of each row only."""
    return TopKDictionary(dictionary, n_active, prefit=True).fit(np.asarray(rows))


def mean_l0(dictionary, rows):
    """Return the mean number of nonzero codes per row."""
    codes = scipy.sparse.csr_array(dictionary.transform(np.asarray(rows)))
    return codes.count_nonzero() / codes.shape[0]


def rows_by_seed(pair, weights, hook_point, texts, seeds):
    """Yield each seed with the rows to fit on and the rows to explain and score on."""
    rows = None
    for seed in seeds:
        fresh = weights == "re-initialised"
        if rows is None or fresh:
            model = reinitialize_model(pair, random_state=seed) if fresh else pair
            extractor = ActivationExtractor(model, hook_point, skip_special_tokens=True)
            rows = [extractor.fit_transform(part) for part in texts]
        yield seed, *rows


def measured_by_seed(args, measure, path):
    """Return the records of each hook point and seed on the trained model, and save them."""
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for hook_point in args.hook_points:
        for seed, train, test in rows_by_seed(pair, "trained", hook_point, texts, args.seeds):
            found = measure(args, train, test, seed)
            records += [{"hook_point": hook_point} | record for record in found]
            write_table(records, path)
            print("measured", hook_point, "seed", seed, flush=True)
    return records


def place_label(hook_point):
    """Return a short name such as "residual 2"."""
    kind, layer = hook_point.split(".", 1)
    return f"{PLACES.get(kind, kind)} {layer}"


def measure(args, train, test, seed):
    """Yield a record per dictionary, at its own L0 and at that of the sparse dictionary."""
    methods = fitted_dictionaries(args, train, seed)
    scorer = InterpretabilityScorer(n_features=args.n_features, random_state=seed)
    own = compare_dictionaries(methods, None, test, scorers=[scorer])
    others = {name: methods[name] for name in METHODS if name != "sparse"}
    n_active = max(1, round(own["sparse"]["l0"]))
    equal = compare_dictionaries(others, None, test, n_active=n_active, scorers=[scorer])
    for name in METHODS:
        # Cutting the sparse dictionary to its own L0 changes nothing.
        tables = {"own": own, "equal": own if name == "sparse" else equal}
        for how, table in tables.items():
            record = {"cut": how, "dictionary": name, "seed": seed}
            yield record | {key: table[name][key] for key in MEASURES}


def written(groups):
    """Return the summary table: methods side by side, three lines per layer."""
    rows = []
    for weights, hook_point in dict.fromkeys(key[:2] for key in groups):
        sparse = groups[weights, hook_point, "own", "sparse"]
        cells = [place_label(hook_point), f"L0 {sparse['l0']:.1f}"]
        cells.append("" if weights == "trained" else weights)
        for how, measure_name in (
            ("own", "interpretability"),
            ("equal", "interpretability"),
            ("equal", "context_gain"),
        ):
            row = {"layer": cells.pop(0)}
            gain = measure_name == "context_gain"
            row["measured"] = "context gain" if gain else f"score, {CUTS[how]}"
            for name in METHODS:
                found = groups[weights, hook_point, how, name]
                row[LABELS[name]] = with_interval(found[measure_name], found[f"{measure_name} +-"])
            rows.append(row)
    return rows


def draw(groups, path):
    """Draw the mean score of each dictionary by layer, with intervals."""
    kinds = list(dict.fromkeys(hook.split(".")[0] for _, hook, _, _ in groups))
    shape = {"squeeze": False, "sharex": "col", "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(2, len(kinds), figsize=(4.4 * len(kinds) + 0.6, 6.4), **shape)
    for row, how in zip(axes, CUTS, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            for name in METHODS:
                _draw_method(axis, groups, (kind, how, name))
            axis.set_title(f"{PLACES.get(kind, kind)}, {CUTS[how]}")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set_ylim(0, 1)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("mean score")
    for axis in axes[1]:
        axis.set_xlabel("layer")
    axes[0][0].plot([], [], "o", color="0.4", fillstyle="none", label="re-initialised")
    axes[0][0].legend(fontsize="small", ncols=2)
    save_figure(figure, path)


def _draw_method(axis, groups, key):
    for weights in ("trained", "re-initialised"):
        points = sorted(
            (int(hook.split(".")[1]), m["interpretability"], m["interpretability +-"])
            for (w, hook, how, name), m in groups.items()
            if (w, hook.split(".")[0], how, name) == (weights, *key)
        )
        if not points:
            continue
        layers, means, halves = zip(*points, strict=True)
        if weights == "trained":
            style = {"fmt": STYLES[key[2]], "label": LABELS[key[2]]}
        else:
            style = {"fmt": STYLES[key[2]].replace("-", ""), "fillstyle": "none"}
        axis.errorbar(layers, means, halves, capsize=2, **style)


def main():
    """Measure what is missing, and write the tables and the figure."""
    parser = interpretability_parser(__doc__)
    hook_points = [*(f"resid_post.{i}" for i in range(5)), "mlp_out.1", "mlp_out.3"]
    parser.add_argument("--hook-points", nargs="+", default=size(hook_points, ["resid_post.2"]))
    parser.add_argument(
        "--control-hook-points",
        nargs="*",
        default=size(["resid_post.2", "mlp_out.1"], ["resid_post.2"]),
        help="hook points that are also measured on the re-initialised model",
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "interpretability.csv"
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = read_table(path)
    done = {(r["weights"], r["hook_point"], int(r["seed"])) for r in records}
    places = [("trained", hook) for hook in args.hook_points]
    places += [("re-initialised", hook) for hook in args.control_hook_points]
    for place in places:
        seeds = [seed for seed in args.seeds if (*place, seed) not in done]
        for seed, train, test in rows_by_seed(pair, *place, texts, seeds):
            where = dict(zip(("weights", "hook_point"), place, strict=True))
            records += [where | found for found in measure(args, train, test, seed)]
            write_table(records, path)
            print("measured", *place, "seed", seed, flush=True)
    groups = {tuple(row[key] for key in KEYS): row for row in summarize(records, KEYS, MEASURES)}
    write_table(written(groups), args.out / "interpretability_summary.csv")
    draw(groups, args.out / "interpretability.png")


if __name__ == "__main__":
    main()
