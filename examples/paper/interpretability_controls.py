r"""
What is a score of explanations worth?
======================================

A model with random weights has features that words explain well: they stand for tokens. Here
are scores that might tell the trained model from the one with weights drawn anew, and keep the
order of methods, for the same five dictionaries on one layer, at the L0 of the sparse one:

``score``
    the mean interpretability, s;
``context``
    how much of it tokens alone do not reach;
``weighted``
    the mean of s weighted by causal effect, :math:`\sum_j a_j s_j / \sum_j a_j`, where
    :math:`a_j` is the mean over tokens of :math:`|c_{tj} \, g_t \cdot f_j|`, with g the gradient
    of the text's loss in nats at the layer: to first order what the feature does to the loss;
``explained``
    the effect that is explained, :math:`\sum_j a_j s_j` in nats a token;
``next``
    interpretability of the codes of the token *after*, which the explanation does not see.

Writes ``interpretability_controls.csv``, one line for each weights, dictionary and seed::

    python examples/paper/interpretability_controls.py --layer 2 --out scratch
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from interpretability import METHODS, fitted_dictionaries, read_texts

from skdict import ActivationExtractor, Activations, load_stories
from skdict.decomposition import TopKDictionary, dictionary_atoms
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer, reinitialize_model
from skdict.models import encode_texts, load_model

SCORES = ("score", "context", "weighted", "explained", "next")
WEIGHTS = ("trained", "re-initialised")


def parse_args():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="name or folder; the bundled one without")
    parser.add_argument("--train-text", type=Path, help="stories to fit on")
    parser.add_argument("--test-text", type=Path, help="stories to explain and score on")
    parser.add_argument("--layer", type=int, default=2, help="not the last: its norm is not ours")
    parser.add_argument("--n-train", type=int, default=400)
    parser.add_argument("--n-test", type=int, default=300)
    parser.add_argument("--n-effect", type=int, default=40, help="stories for causal effects")
    parser.add_argument("--n-components", type=int, default=256)
    parser.add_argument("--alpha", type=float, default=0.2)
    parser.add_argument("--max-iter", type=int, default=8)
    parser.add_argument("--ica-rows", type=int, default=20_000)
    parser.add_argument("--n-features", type=int, default=150)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True, help="folder")
    return parser.parse_args()


def loss_gradients(pair, layer, activations, texts):
    """Return the gradient of each text's summed loss at the rows of its activations."""
    model, tokenizer = pair
    rows = []
    for number, text in enumerate(texts):
        (prefix, body, _), *_ = encode_texts(tokenizer, [text])
        ids = torch.tensor([*prefix, *body])[None, :256]
        out = model(ids, output_hidden_states=True)
        hidden = out.hidden_states[layer + 1]
        hidden.retain_grad()
        torch.nn.functional.cross_entropy(
            out.logits[0, :-1], ids[0, 1:], reduction="sum"
        ).backward()
        own = activations.documents == number
        at = np.asarray(activations.positions)[own]
        if not np.array_equal(ids[0, at].numpy(), np.asarray(activations.token_ids)[own]):
            raise ValueError(f"text {number} has other tokens than its activations")
        rows.append(hidden.grad[0, at].numpy())
        model.zero_grad()
    return np.concatenate(rows)


def causal_effects(dictionary, features, rows, gradients):
    """Return the mean first-order effect on the loss of some features, in nats a token."""
    codes = scipy.sparse.csr_array(dictionary.transform(rows)).toarray()
    atoms = dictionary_atoms(dictionary)
    column = features % codes.shape[1]
    signed = codes[:, column] * np.where(features < codes.shape[1], 1, -1)
    slopes = gradients @ atoms[column].T
    return np.abs(np.maximum(signed, 0) * slopes).mean(axis=0)


def with_next_rows(activations):
    """Return the tokens of activations, each with the row of the token after it."""
    documents = np.asarray(activations.documents)
    kept = np.flatnonzero(documents[1:] == documents[:-1])
    return Activations(
        np.asarray(activations)[kept + 1],
        documents=documents[kept],
        positions=np.asarray(activations.positions)[kept],
        token_ids=np.asarray(activations.token_ids)[kept],
        vocabulary=activations.vocabulary,
    )


def measure(args, pair, texts, seed):
    """Yield the scores of each dictionary."""
    extractor = ActivationExtractor(pair, f"resid_post.{args.layer}", skip_special_tokens=True)
    train, test = (extractor.fit_transform(part) for part in texts)
    some = texts[1][: args.n_effect]
    tested = extractor.transform(some)
    gradients = loss_gradients(pair, args.layer, tested, some)
    following = with_next_rows(test)
    options = {"n_features": args.n_features, "random_state": seed}
    methods = fitted_dictionaries(args, train, seed)
    n_active = max(1, round(mean_l0(methods["sparse"].transform(np.asarray(test)))))
    for name in METHODS:
        dictionary = methods[name]
        if name != "sparse":
            dictionary = TopKDictionary(dictionary, n_active, prefit=True).fit(train)
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


def mean_l0(codes):
    """Return the mean number of codes that are not 0 in a row."""
    return scipy.sparse.csr_array(codes).nnz / codes.shape[0]


def _n_signed(dictionary, activations):
    """Return how many signed features of a dictionary fire at all."""
    codes = scipy.sparse.csc_array(dictionary.transform(np.asarray(activations)))
    return int(((codes.max(axis=0).toarray() > 0) * 1 + (codes.min(axis=0).toarray() < 0)).sum())


def show(records):
    """Print the means over seeds, and by what factor the trained model is above the other."""
    print(f"{'dictionary':<12}" + "".join(f"{name:>28}" for name in SCORES))
    for name in METHODS:
        cells = []
        for score in SCORES:
            trained, fresh = (
                np.mean(
                    [float(r[score]) for r in records if (r["weights"], r["dictionary"]) == key]
                )
                for key in ((weights, name) for weights in WEIGHTS)
            )
            cells.append(f"{trained:.3f} against {fresh:.3f}")
        print(f"{name:<12}" + "".join(f"{cell:>28}" for cell in cells))


def main():
    """Measure both models, and write the table."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = read_texts(args)
    trained = load_model(args.model or load_stories().model, device=torch.device("cpu"))
    records = []
    for seed in args.seeds:
        for weights in WEIGHTS:
            pair = (
                trained if weights == "trained" else reinitialize_model(trained, random_state=seed)
            )
            records += [{"weights": weights} | r for r in measure(args, pair, texts, seed)]
            print(f"measured {weights}, seed {seed}", flush=True)
    with (args.out / "interpretability_controls.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["weights", "dictionary", "seed", *SCORES])
        writer.writeheader()
        writer.writerows(records)
    show(records)


if __name__ == "__main__":
    main()
