r"""
Are features of a sparse dictionary easier to explain?
======================================================

The comparison of Cunningham et al. (2023), figures 2 and 10, offline: a sparse dictionary, ICA,
PCA, random directions and the neuron basis on the same rows, layer by layer, in the residual stream
and in the outputs of the MLPs, at their own L0 and cut to that of the sparse dictionary. The
explanations are also written for, and scored on, the codes of the *next* token, which the
explanation does not see. One residual stream and one MLP are also measured on the model with
re-initialised weights::

    python examples/paper/interpretability.py --out paper
    python examples/paper/interpretability.py --out smollm2 --model smollm2 --text wikitext.txt

Dictionaries are fitted on some texts, and explained and scored on others. Of each dictionary 60
features are explained.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse
from common import (
    PLACES,
    complete,
    paper_parser,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from methods import LABELS, METHODS, STYLES, fitted_methods
from settings import size
from workspace import REINITIALISED, TRAINED, Workspace, cut

from skdict import Activations, compare_dictionaries
from skdict.interpretation import InterpretabilityScorer

CUTS = {"own": "own L0", "equal": "equal L0"}
SCORED = CUTS | {"next": "next token, equal L0"}
# Lines of the summary: which record, which of its measures, and the name of the line.
LINES = (
    ("own", "interpretability", "score, own L0"),
    ("equal", "interpretability", "score, equal L0"),
    ("equal", "context_gain", "context gain"),
    ("next", "interpretability", "next token"),
)
MEASURES = ("interpretability", "context_gain", "shuffled", "fvu", "l0", "n_scored")
KEYS = ("weights", "hook_point", "scored", "dictionary")


def interpretability_parser(description):
    """Return a parser with the options of the scripts on interpretability, and the sizes."""
    parser, setting = paper_parser(description)
    add = parser.add_argument
    hook_points = [f"resid_post.{setting.layer}"]
    add("--hook-points", nargs="+", default=hook_points, help="where activations are read")
    n_features = size(setting.n_explained, 10)
    add("--n-features", type=int, default=n_features, help="features to explain per dictionary")
    add("--score-tokens", type=int, default=50_000, help="tokens to explain and score on, at most")
    return parser, setting


def rows_to_score(workspace, hook_point, weights=TRAINED, seed=0):
    """Return the rows at a hook point, of which ``--score-tokens`` are measured on."""
    rows = workspace.rows(hook_point, weights, seed)
    return rows._replace(test=first_documents(rows.test, workspace.args.score_tokens))


def first_documents(activations, n_rows):
    """Return the first whole documents that have at most n_rows rows together."""
    if n_rows >= len(activations):
        return activations
    return activations[: np.searchsorted(activations.documents, activations.documents[n_rows])]


def next_token(activations):
    """Return activations where each token has the row of the token after it."""
    documents = np.asarray(activations.documents)
    tokens = np.flatnonzero(documents[1:] == documents[:-1])
    return Activations(
        np.asarray(activations)[tokens + 1],
        documents=documents[tokens],
        positions=np.asarray(activations.positions)[tokens],
        token_ids=np.asarray(activations.token_ids)[tokens],
        vocabulary=activations.vocabulary,
    )


def at_own_and_equal_l0(methods, rows):
    """Yield name, cuts and dictionary, for each method at its own L0 and at that of the sparse one.

    Cutting the sparse dictionary to its own L0 changes nothing, so it stands for both.
    """
    sparse = compare_dictionaries({"sparse": methods["sparse"]}, None, rows.test)["sparse"]
    n_active = max(1, round(sparse["l0"]))
    for name, dictionary in methods.items():
        if name == "sparse":
            yield name, ("own", "equal"), dictionary
        else:
            yield name, ("own",), dictionary
            yield name, ("equal",), cut(dictionary, n_active, rows)


def encoded(dictionary, rows, block=8192):
    """Yield the codes of rows, block by block."""
    for start in range(0, len(rows), block):
        yield dictionary.transform(np.asarray(rows[start : start + block], dtype=np.float32))


def codes_of(dictionary, features, rows):
    """Return the codes of some of `features_` of `FeatureInterpreter`, shape (n_rows, n_chosen)."""
    n_components = len(dictionary.components_)
    signs = np.where(features < n_components, 1, -1)
    parts = []
    for codes in encoded(dictionary, rows):
        chosen = codes[:, features % n_components]
        chosen = chosen.toarray() if scipy.sparse.issparse(chosen) else chosen
        parts.append(np.maximum(chosen * signs, 0))
    return np.concatenate(parts)


def measured_by_seed(args, name, measure):
    """Return the records of each hook point and seed on the trained model, and keep them.

    The records of a seed are those of ``measure(workspace, rows, seed)``.
    """
    workspace = Workspace(args)
    jobs = [
        {"hook_point": point, "seed": seed} for point in args.hook_points for seed in args.seeds
    ]
    return complete(
        args.out / f"{name}.csv",
        jobs,
        lambda hook_point, seed: measure(workspace, rows_to_score(workspace, hook_point), seed),
    )


def measure(workspace, weights, hook_point, seed):
    """Yield the records of the five methods: at both L0, and for the next token."""
    rows = rows_to_score(workspace, hook_point, weights, seed)
    following = next_token(rows.test)
    scorer = InterpretabilityScorer(n_features=workspace.args.n_features, random_state=seed)
    methods = fitted_methods(workspace, rows, seed)
    for name, cuts, dictionary in at_own_and_equal_l0(methods, rows):
        found = compare_dictionaries({name: dictionary}, None, rows.test, scorers=[scorer])[name]
        by_kind = dict.fromkeys(cuts, found)
        if "equal" in cuts:
            by_kind["next"] = found | scorer.measure(dictionary, following)
        for scored, record in by_kind.items():
            yield {"scored": scored, "dictionary": name} | {key: record[key] for key in MEASURES}


def written(groups):
    """Return the summary table: methods side by side, four lines per layer."""
    rows = []
    for weights, hook_point in dict.fromkeys(key[:2] for key in groups):
        sparse = groups[weights, hook_point, "own", "sparse"]
        cells = [place_label(hook_point), f"L0 {sparse['l0']:.1f}"]
        cells += ["" if weights == TRAINED else weights, ""]
        for cell, (scored, key, label) in zip(cells, LINES, strict=True):
            row = {"layer": cell, "measured": label}
            for name in METHODS:
                found = groups[weights, hook_point, scored, name]
                row[LABELS[name]] = with_interval(found[key], found[f"{key} +-"])
            rows.append(row)
    return rows


def draw(groups, path):
    """Draw the mean score of each dictionary by layer, with intervals."""
    kinds = list(dict.fromkeys(hook.split(".")[0] for _, hook, _, _ in groups))
    shape = {"squeeze": False, "sharex": "col", "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(3, len(kinds), figsize=(4.4 * len(kinds) + 0.6, 9), **shape)
    for row, scored in zip(axes, SCORED, strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            for name in METHODS:
                _draw_method(axis, groups, (kind, scored, name))
            axis.set_title(f"{PLACES.get(kind, kind)}, {SCORED[scored]}")
            axis.set_xticks(sorted({int(h.split(".")[1]) for _, h, *_ in groups if kind in h}))
            axis.set_ylim(0, 1)
            axis.grid(alpha=0.3)
        row[0].set_ylabel("mean score")
    for axis in axes[-1]:
        axis.set_xlabel("layer")
    if any(weights == REINITIALISED for weights, *_ in groups):
        axes[0][0].plot([], [], "o", color="0.4", fillstyle="none", label=REINITIALISED)
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize="small")
    save_figure(figure, path)


def _draw_method(axis, groups, key):
    for weights in (TRAINED, REINITIALISED):
        points = sorted(
            (int(hook.split(".")[1]), m["interpretability"], m["interpretability +-"])
            for (w, hook, scored, name), m in groups.items()
            if (w, hook.split(".")[0], scored, name) == (weights, *key)
        )
        if not points:
            continue
        layers, means, halves = zip(*points, strict=True)
        if weights == TRAINED:
            style = {"fmt": STYLES[key[2]], "label": LABELS[key[2]]}
        else:
            # The outline of a filled cross tells it from the thin one of the trained model.
            marker = STYLES[key[2]].replace("-", "").replace("x", "X")
            style = {"fmt": marker, "fillstyle": "none"}
        axis.errorbar(layers, means, halves, capsize=2, **style)


def parse_args():
    """Return the command-line options."""
    parser, setting = interpretability_parser(__doc__)
    nearest = min(setting.mlp_layers, key=lambda layer: abs(layer - setting.layer))
    control = [f"resid_post.{setting.layer}", f"mlp_out.{nearest}"]
    layers = [f"resid_post.{layer}" for layer in setting.layers]
    parser.set_defaults(hook_points=layers + [f"mlp_out.{layer}" for layer in setting.mlp_layers])
    parser.add_argument(
        "--control-hook-points",
        nargs="*",
        default=control,
        help="hook points that are also measured on the re-initialised model",
    )
    return parser.parse_args()


def main():
    """Measure every hook point and seed, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    # Rows of the re-initialised model are made here first, and interpretability_controls, which
    # may run at the same time, finds them.
    places = [(REINITIALISED, hook_point) for hook_point in args.control_hook_points]
    places += [(TRAINED, hook_point) for hook_point in args.hook_points]
    jobs = [
        {"weights": weights, "hook_point": hook_point, "seed": seed}
        for weights, hook_point in places
        for seed in args.seeds
    ]
    records = complete(
        args.out / "interpretability.csv", jobs, lambda **job: measure(workspace, **job)
    )
    # The trained model comes first in the table.
    records.sort(key=lambda record: record["weights"] != TRAINED)
    groups = {tuple(row[key] for key in KEYS): row for row in summarize(records, KEYS, MEASURES)}
    draw(groups, args.out / "interpretability.png")
    write_table(written(groups), args.out / "interpretability_summary.csv")


if __name__ == "__main__":
    main()
