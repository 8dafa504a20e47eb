r"""
Are features of a sparse dictionary easier to explain?
======================================================

The comparison of Cunningham et al. (2023), offline: a sparse dictionary, ICA, PCA, random
directions and the neuron basis on the same rows, at their own L0 and cut to that of the sparse
dictionary, and all of it again on the model with weights drawn anew. Writes a table
(``interpretability.csv``) and a figure (``interpretability.png``)::

    python examples/paper/interpretability.py --out scratch
    python examples/paper/interpretability.py --model stories260K \
        --train-text tinystories-train.txt --test-text tinystories-heldout.txt --out scratch

Dictionaries are fitted on the first stories, and explained and scored on others. What was
measured before stays in the table, and the same command goes on from there.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA, FastICA

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
)
from skdict.interpretation import InterpretabilityScorer, reinitialize_model

SEPARATOR = "<|endoftext|>"
METHODS = ("sparse", "ica", "pca", "random", "neurons")
MEASURES = ("interpretability", "context_gain", "shuffled", "fvu", "l0", "n_scored")
KEYS = ("weights", "hook_point", "dictionary", "cut", "seed")


def parse_args():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="name or folder; the bundled one without")
    parser.add_argument("--train-text", type=Path, help="stories to fit on")
    parser.add_argument("--test-text", type=Path, help="stories to explain and score on")
    hook_points = [f"resid_post.{i}" for i in range(5)]
    parser.add_argument("--hook-points", nargs="+", default=hook_points)
    parser.add_argument(
        "--control-hook-points", nargs="*", default=["resid_post.2"], help="re-initialised too"
    )
    parser.add_argument("--n-train", type=int, default=400, help="stories to fit on")
    parser.add_argument("--n-test", type=int, default=300, help="stories to explain and score on")
    parser.add_argument("--n-components", type=int, default=256)
    parser.add_argument("--alpha", type=float, default=0.2)
    parser.add_argument("--max-iter", type=int, default=8, help="epochs of the sparse dictionary")
    parser.add_argument("--ica-rows", type=int, default=20_000)
    parser.add_argument("--n-features", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True, help="folder")
    return parser.parse_args()


def read_texts(args):
    """Return stories to fit on and stories to score on."""
    if args.train_text is None:
        texts = load_stories().texts
        return texts[: args.n_train], texts[args.n_train : args.n_train + args.n_test]
    paths = args.train_text, args.test_text
    train, test = (
        [s.strip() for s in path.read_text(encoding="utf-8").split(SEPARATOR) if s.strip()]
        for path in paths
    )
    return train[: args.n_train], test[: args.n_test]


def fitted_dictionaries(args, rows, seed):
    """Return the five dictionaries, fitted; ICA on a sample of the rows."""
    width = rows.shape[1]
    rows = np.asarray(rows)
    sample = np.random.default_rng(seed).permutation(len(rows))[: args.ica_rows]
    sparse = SparseDictionaryAutoencoder(
        args.n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
    )
    ica = FastICA(width, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=seed)
    return {
        "sparse": sparse.fit(rows),
        "ica": ica.fit(rows[sample]),
        "pca": PCA(width, svd_solver="full").fit(rows),
        "random": RandomDictionary(args.n_components, random_state=seed).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
    }


def measure(args, model, hook_point, texts, seed):
    """Yield a record for each dictionary, at its own L0 and at that of the sparse one."""
    extractor = ActivationExtractor(model, hook_point, skip_special_tokens=True)
    train, test = (extractor.fit_transform(part) for part in texts)
    methods = fitted_dictionaries(args, train, seed)
    scorer = InterpretabilityScorer(n_features=args.n_features, random_state=seed)
    own = compare_dictionaries(methods, None, test, scorers=[scorer])
    others = {name: methods[name] for name in METHODS if name != "sparse"}
    n_active = max(1, round(own["sparse"]["l0"]))
    equal = compare_dictionaries(others, None, test, n_active=n_active, scorers=[scorer])
    for cut, table, names in (("own", own, METHODS), ("equal", equal, others)):
        for name in names:
            record = {"hook_point": hook_point, "dictionary": name, "cut": cut, "seed": seed}
            record["half_width"] = _half_width(table[name])
            yield record | {key: table[name][key] for key in MEASURES}


def _half_width(record):
    return (record["interpretability_high"] - record["interpretability_low"]) / 2


def read_table(path):
    """Return what was measured before, as a list of dicts."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def summarize(records):
    """Return means over seeds: {(weights, hook point, dictionary, cut): dict of measures}.

    The interval of a mean over seeds: features are drawn anew for each seed, so half-widths
    add up as standard errors do.
    """
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[key] for key in KEYS[:4]), []).append(record)
    found = {}
    for key, group in groups.items():
        found[key] = {name: np.mean([float(r[name]) for r in group]) for name in MEASURES}
        widths = np.array([float(r["half_width"]) for r in group])
        found[key]["half_width"] = np.sqrt((widths**2).sum()) / len(widths)
    return found


def show(summary):
    """Print a line for each hook point and dictionary."""
    print(f"{'weights':<14} {'hook point':<14} {'dictionary':<10} {'own L0':>22} {'equal L0':>15}")
    for (weights, hook_point, name, cut), own in summary.items():
        if cut != "own":
            continue
        equal = summary.get((weights, hook_point, name, "equal"))
        line = f"{weights:<14} {hook_point:<14} {name:<10}"
        line += f" {own['interpretability']:.3f} +- {own['half_width']:.3f} (L0 {own['l0']:5.1f})"
        if equal:
            line += f" {equal['interpretability']:.3f} +- {equal['half_width']:.3f}"
        print(f"{line}   context {own['context_gain']:.3f}, shuffled {own['shuffled']:.3f}")


def draw(summary, path):
    """Draw the mean score of each dictionary by layer, with its interval."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    places = sorted({hook.split(".")[0] for _, hook, _, _ in summary}, reverse=True)
    figure, axes = plt.subplots(
        2, len(places), figsize=(4.5 * len(places), 7), squeeze=False, sharey=True
    )
    for row, cut in zip(axes, ("own", "equal"), strict=True):
        for axis, place in zip(row, places, strict=True):
            for color, name in enumerate(METHODS):
                for weights, marker in (("trained", "o-"), ("re-initialised", "x:")):
                    _draw_method(axis, summary, (weights, place, name, cut), f"C{color}", marker)
            axis.set_title(f"{place}, {'own L0' if cut == 'own' else 'L0 of the sparse one'}")
            axis.set_xlabel("layer")
        row[0].set_ylabel("mean interpretability")
    axes[0][0].legend(fontsize="small", title="dotted: re-initialised")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _draw_method(axis, summary, key, color, marker):
    weights, place, name, cut = key
    # Cut to its own L0 the sparse dictionary is what it was.
    cut = "own" if name == "sparse" else cut
    points = sorted(
        (int(hook.split(".")[1]), m["interpretability"], m["half_width"])
        for (w, hook, n, c), m in summary.items()
        if (w, hook.split(".")[0], n, c) == (weights, place, name, cut)
    )
    if points:
        layers, means, widths = zip(*points, strict=True)
        label = name if weights == "trained" else None
        axis.errorbar(layers, means, widths, fmt=marker, color=color, capsize=2, label=label)


def main():
    """Measure what is missing, and write table and figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "interpretability.csv"
    texts = read_texts(args)
    trained = args.model or load_stories().model
    hooks = [("trained", hook) for hook in args.hook_points]
    hooks += [("re-initialised", hook) for hook in args.control_hook_points]
    settings = [(weights, hook, seed) for seed in args.seeds for weights, hook in hooks]
    done = {tuple(r[key] for key in ("weights", "hook_point", "seed")) for r in read_table(table)}
    for weights, hook_point, seed in settings:
        if (weights, hook_point, str(seed)) in done:
            continue
        model = trained
        if weights == "re-initialised":
            model = reinitialize_model(trained, random_state=seed)
        records = [{"weights": weights} | r for r in measure(args, model, hook_point, texts, seed)]
        fresh = not table.is_file()
        with table.open("a", newline="") as file:
            writer = csv.DictWriter(file, [*KEYS, *MEASURES, "half_width"])
            if fresh:
                writer.writeheader()
            writer.writerows(records)
        print(f"measured {weights} {hook_point} seed {seed}", flush=True)
    summary = summarize(read_table(table))
    show(summary)
    draw(summary, args.out / "interpretability.png")


if __name__ == "__main__":
    main()
