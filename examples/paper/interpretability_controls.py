r"""
Which score distinguishes a trained model from an untrained one?
================================================================

A model with random weights has features that words explain well: they stand for tokens. These
scores might distinguish the trained model from the re-initialised one and keep the order of
methods, for five dictionaries at the L0 of the sparse one:

``score``
    the mean interpretability, s;
``context``
    the part of it that a list of ten tokens does not reach;
``weighted``
    the mean of s weighted by causal effect, :math:`\sum_j a_j s_j / \sum_j a_j`, where
    :math:`a_j` is the mean over tokens of :math:`|c_{tj} \, g_t \cdot f_j|`, with g the gradient
    of the text's loss in nats at the layer: the first-order effect of the feature on the loss;
``explained``
    the effect explained, :math:`\sum_j a_j s_j`, in nats per token;
``next``
    the interpretability of the codes of the *next* token, which the explanation does not see.

The control is from Heap et al. (2025); Cunningham et al. (2023) have none::

    python examples/paper/interpretability_controls.py --out paper
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import torch
from common import (
    complete,
    drop_constant,
    interval,
    place_label,
    save_figure,
    summarize,
    with_interval,
    write_table,
)
from interpretability import (
    at_own_and_equal_l0,
    codes_of,
    encoded,
    interpretability_parser,
    next_token,
    rows_to_score,
)
from methods import LABELS, METHODS, fitted_methods
from settings import size
from workspace import REINITIALISED, TRAINED, Workspace

from skdict.decomposition import dictionary_atoms
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer, reinitialize_model
from skdict.models import encode_texts, find_hook_point

SCORES = {
    "score": "score",
    "context": "context gain",
    "weighted": "weighted by effect",
    "explained": "effect explained",
    "next": "next token",
}
WEIGHTS = (TRAINED, REINITIALISED)
KEYS = ("hook_point", "weights", "dictionary")


def loss_gradients(pair, hook_point, activations, texts, max_length):
    """Return the gradient of each text's summed loss with respect to its activations."""
    model, tokenizer = pair
    # Without gradients of parameters, the backward pass ends at the hook point.
    model.requires_grad_(False)
    point = find_hook_point(model, hook_point)
    kept = []

    def keep(module, args, output):
        hidden = output[0] if isinstance(output, tuple) else output
        kept[:] = [hidden.requires_grad_()]

    if point.side != "output":
        raise SystemExit(f"{hook_point} is a module's input; pass a hook point that is an output")
    handle = point.module.register_forward_hook(keep)
    rows = []
    for number, text in enumerate(texts):
        (prefix, body, _), *_ = encode_texts(tokenizer, [text])
        ids = torch.tensor([*prefix, *body])[None, :max_length]
        logits = model(ids).logits[0, :-1]
        torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
        own = np.asarray(activations.documents) == number
        at = np.asarray(activations.positions)[own]
        if not np.array_equal(ids[0, at].numpy(), np.asarray(activations.token_ids)[own]):
            raise ValueError(f"the tokens of text {number} differ from those of its activations")
        rows.append(kept[0].grad[0, at].numpy())
    handle.remove()
    return np.concatenate(rows)


def causal_effects(dictionary, features, rows, gradients):
    """Return the mean first-order effect of features on the loss, in nats per token."""
    codes = codes_of(dictionary, features, rows)
    slopes = gradients @ dictionary_atoms(dictionary)[features % len(dictionary.components_)].T
    return np.abs(codes * slopes).mean(axis=0)


def measure(workspace, hook_point, weights, seed):
    """Yield a record of scores per dictionary."""
    args, pair = workspace.args, workspace.pair
    if weights == REINITIALISED:
        pair = reinitialize_model(pair, random_state=seed)
    rows = rows_to_score(workspace, hook_point, weights, seed)
    first = rows.test[np.asarray(rows.test.documents) < args.n_effect]
    texts = workspace.test_texts[: args.n_effect]
    gradients = loss_gradients(pair, hook_point, first, texts, args.max_length)
    following = next_token(rows.test)
    options = {"n_features": args.n_features, "random_state": seed}
    for name, cuts, dictionary in at_own_and_equal_l0(fitted_methods(workspace, rows, seed), rows):
        if "equal" not in cuts:
            continue
        found = FeatureInterpreter(dictionary, **options).fit(rows.test)
        scores = np.nan_to_num(found.scores_)
        effects = causal_effects(dictionary, found.features_, first, gradients)
        share = len(found.features_) / n_signed(dictionary, rows.test)
        yield {
            "dictionary": name,
            "score": found.mean_score_,
            "context": found.report_["context_gain"],
            "weighted": effects @ scores / effects.sum(),
            "explained": effects @ scores / share,
            "next": InterpretabilityScorer(**options)(dictionary, following),
        }


def n_signed(dictionary, rows):
    """Return the number of signed features of a dictionary that ever fire."""
    counts = 0
    for codes in encoded(dictionary, rows):
        counts = counts + np.stack([(codes > 0).sum(axis=0), (codes < 0).sum(axis=0)])
    return np.count_nonzero(counts)


def distinguished(records, hook_point, score):
    """Return the number of methods whose trained score is higher by more than the interval."""
    above = 0
    for name in METHODS:
        trained, fresh = (
            [r[score] for r in records if tuple(r[key] for key in KEYS) == (hook_point, w, name)]
            for w in WEIGHTS
        )
        mean, half = interval(np.subtract(trained, fresh))
        above += mean > np.nan_to_num(half)
    return f"{above} of {len(METHODS)}"


def written(records, groups):
    """Return the summary table: the scores on both models, then how each score does."""
    table = []
    for hook_point in dict.fromkeys(key[0] for key in groups):
        place = {"layer": place_label(hook_point)}
        for name in METHODS:
            for weights in WEIGHTS:
                row = groups[hook_point, weights, name]
                cells = {s: with_interval(row[k], row[f"{k} +-"]) for k, s in SCORES.items()}
                label = {"dictionary": LABELS[name] if weights == WEIGHTS[0] else ""}
                table.append(place | label | {"weights": weights} | cells)
        trained = {
            key: [groups[hook_point, TRAINED, name][key] for name in METHODS] for key in SCORES
        }
        above = {SCORES[key]: distinguished(records, hook_point, key) for key in SCORES}
        order = {
            SCORES[key]: f"{scipy.stats.kendalltau(trained['score'], trained[key])[0]:.1f}"
            for key in SCORES
        }
        for name, cells in {"trained above re-initialised": above, "order": order}.items():
            table.append(place | {"dictionary": name, "weights": ""} | cells)
    return drop_constant(table, "layer")


def draw(groups, path):
    """Draw each score of each dictionary on both models."""
    hooks = list(dict.fromkeys(key[0] for key in groups))
    figure, axes = plt.subplots(
        len(hooks), len(SCORES), figsize=(10, 2.6 * len(hooks) + 0.6), squeeze=False, sharex=True,
        layout="constrained",
    )  # fmt: skip
    names = [LABELS[name].split()[0] for name in METHODS]
    for row, hook_point in zip(axes, hooks, strict=True):
        for axis, (key, label) in zip(row, SCORES.items(), strict=True):
            for weights, style in zip(WEIGHTS, ("C0o", "C3x"), strict=True):
                found = [groups[hook_point, weights, name] for name in METHODS]
                means, halves = ([m[k] for m in found] for k in (key, f"{key} +-"))
                axis.errorbar(names, means, halves, fmt=style, capsize=2, label=weights)
            axis.set_title(label, fontsize="medium")
            axis.tick_params(axis="x", rotation=90)
            axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
            axis.grid(alpha=0.3)
        row[0].set_ylabel(place_label(hook_point))
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize="small")
    save_figure(figure, path)


def main():
    """Measure both models, and write the tables and the figure."""
    parser, _ = interpretability_parser(__doc__)
    parser.add_argument(
        "--n-effect", type=int, default=size(40, 8), help="texts to measure effects on"
    )
    args = parser.parse_args()
    workspace = Workspace(args)
    jobs = [
        {"hook_point": hook_point, "weights": weights, "seed": seed}
        for hook_point in args.hook_points
        for weights in WEIGHTS
        for seed in args.seeds
    ]
    records = complete(
        args.out / "interpretability_controls.csv", jobs, lambda **job: measure(workspace, **job)
    )
    rows = summarize(records, KEYS, list(SCORES))
    groups = {tuple(row[key] for key in KEYS): row for row in rows}
    draw(groups, args.out / "interpretability_controls.png")
    write_table(written(records, groups), args.out / "interpretability_controls_summary.csv")


if __name__ == "__main__":
    main()
