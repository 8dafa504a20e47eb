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
import scipy.sparse
import scipy.stats
import torch
from common import (
    LABELS,
    drop_constant,
    interval,
    read_model,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)
from interpretability import (
    METHODS,
    cut,
    fitted_dictionaries,
    interpretability_parser,
    mean_l0,
    place_label,
    rows_by_seed,
)

from skdict import Activations
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
WEIGHTS = ("trained", "re-initialised")
KEYS = ("hook_point", "weights", "dictionary")


def loss_gradients(pair, hook_point, activations, texts):
    """Return the gradient of each text's summed loss with respect to its activations."""
    model, tokenizer = pair
    point = find_hook_point(model, hook_point)
    kept = []

    def keep(module, args, output):
        kept[:] = [output[0] if isinstance(output, tuple) else output]
        kept[0].retain_grad()

    if point.side != "output":
        raise SystemExit(f"{hook_point} is a module's input; pass a hook point that is an output")
    handle = point.module.register_forward_hook(keep)
    rows = []
    for number, text in enumerate(texts):
        (prefix, body, _), *_ = encode_texts(tokenizer, [text])
        ids = torch.tensor([*prefix, *body])[None, :256]
        logits = model(ids).logits[0, :-1]
        torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
        own = np.asarray(activations.documents) == number
        at = np.asarray(activations.positions)[own]
        if not np.array_equal(ids[0, at].numpy(), np.asarray(activations.token_ids)[own]):
            raise ValueError(f"the tokens of text {number} differ from those of its activations")
        rows.append(kept[0].grad[0, at].numpy())
        model.zero_grad()
    handle.remove()
    return np.concatenate(rows)


def causal_effects(dictionary, features, rows, gradients):
    """Return the mean first-order effect of features on the loss, in nats per token."""
    codes = scipy.sparse.csr_array(dictionary.transform(rows)).toarray()
    column = features % codes.shape[1]
    signed = codes[:, column] * np.where(features < codes.shape[1], 1, -1)
    slopes = gradients @ dictionary_atoms(dictionary)[column].T
    return np.abs(np.maximum(signed, 0) * slopes).mean(axis=0)


def select(activations, tokens, rows):
    """Return activations of some tokens, with the given rows instead of their own."""
    return Activations(
        np.asarray(activations)[rows],
        documents=np.asarray(activations.documents)[tokens],
        positions=np.asarray(activations.positions)[tokens],
        token_ids=np.asarray(activations.token_ids)[tokens],
        vocabulary=activations.vocabulary,
    )


def measure(args, pair, hook_point, train, test, seed):
    """Yield a record of scores per dictionary."""
    documents = np.asarray(test.documents)
    first = np.flatnonzero(documents < args.n_effect)
    tested = select(test, first, first)
    some = read_texts(args, args.n_train, args.n_test)[1][: args.n_effect]
    gradients = loss_gradients(pair, hook_point, tested, some)
    before = np.flatnonzero(documents[1:] == documents[:-1])
    following = select(test, before, before + 1)
    options = {"n_features": args.n_features, "random_state": seed}
    methods = fitted_dictionaries(args, train, seed)
    n_active = max(1, round(mean_l0(methods["sparse"], test)))
    for name, dictionary in methods.items():
        if name != "sparse":
            dictionary = cut(dictionary, n_active, train)
        found = FeatureInterpreter(dictionary, **options).fit(test)
        scores = np.nan_to_num(found.scores_)
        effects = causal_effects(dictionary, found.features_, np.asarray(tested), gradients)
        share = len(found.features_) / _n_signed(dictionary, test)
        yield {
            "dictionary": name,
            "seed": seed,
            "score": found.mean_score_,
            "context": found.report_["context_gain"],
            "weighted": effects @ scores / effects.sum(),
            "explained": effects @ scores / share,
            "next": InterpretabilityScorer(**options)(dictionary, following),
        }


def _n_signed(dictionary, activations):
    """Return the number of signed features of a dictionary that ever fire."""
    codes = scipy.sparse.csc_array(dictionary.transform(np.asarray(activations)))
    return int(((codes.max(axis=0).toarray() > 0) * 1 + (codes.min(axis=0).toarray() < 0)).sum())


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
            key: [groups[hook_point, "trained", name][key] for name in METHODS] for key in SCORES
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
    axes[0][0].legend(fontsize="x-small", loc="lower left")
    save_figure(figure, path)


def main():
    """Measure both models, and write the tables and the figure."""
    parser = interpretability_parser(__doc__)
    parser.add_argument("--hook-points", nargs="+", default=["resid_post.2"])
    parser.add_argument(
        "--n-effect", type=int, default=size(40, 8), help="texts to measure effects on"
    )
    parser.set_defaults(n_train=size(300, 30), n_test=size(200, 30))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    trained, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for hook_point in args.hook_points:
        for weights in WEIGHTS:
            for seed, *rows in rows_by_seed(trained, weights, hook_point, texts, args.seeds):
                fresh = weights == "re-initialised"
                pair = reinitialize_model(trained, random_state=seed) if fresh else trained
                found = measure(args, pair, hook_point, *rows, seed)
                place = {"hook_point": hook_point, "weights": weights}
                records += [place | record for record in found]
                write_table(records, args.out / "interpretability_controls.csv")
                print("measured", hook_point, weights, "seed", seed, flush=True)
    rows = summarize(records, KEYS, list(SCORES))
    groups = {tuple(row[key] for key in KEYS): row for row in rows}
    write_table(written(records, groups), args.out / "interpretability_controls_summary.csv")
    draw(groups, args.out / "interpretability_controls.png")


if __name__ == "__main__":
    main()
