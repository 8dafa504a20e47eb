"""Which features of earlier layers make a feature fire, down to the lowest dictionary.

Fits a dictionary after each of some blocks, takes the strongest features of the highest one (or
--feature), prints the parents of each with what ablating them costs, and writes circuit.csv.
With the bundled model:

    python examples/paper/circuit.py --out circuit/ --layers 1 2 3
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.interventions import find_circuit
from skdict.models import load_model, readable_pieces


def frequent_tokens(codes, acts, pieces, n=4):
    """Return the tokens that carry most of a feature's codes, as one string."""
    totals = np.bincount(acts.token_ids, weights=codes, minlength=len(pieces))
    strongest = [token for token in np.argsort(-totals)[:n] if totals[token] > 0]
    return " ".join(repr(pieces[token]) for token in strongest)


def main():
    """Read the arguments, fit, search, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(load_stories().model))
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--components", type=int, default=512)
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--feature", type=int, help="of the highest layer; else the strongest")
    parser.add_argument("--parents", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = load_stories().texts[: args.texts]
    pieces = readable_pieces(load_model(args.model, device=torch.device("cpu"))[1])
    dictionaries, codes, acts = {}, {}, None
    for layer in args.layers:
        point = f"resid_post.{layer}"
        acts = ActivationExtractor(args.model, point).transform(texts)
        sae = SparseDictionaryAutoencoder(
            args.components, alpha=args.alpha, max_iter=6, random_state=args.seed
        )
        dictionaries[point], codes[point] = sae.fit(acts), sae.transform(acts).tocsc()
    top = f"resid_post.{max(args.layers)}"
    strength = codes[top].max(axis=0).toarray().ravel()
    # Features that fire everywhere stand for no event.
    rare = np.diff(codes[top].indptr) < 0.1 * codes[top].shape[0]
    feature = int(np.argmax(strength * rare)) if args.feature is None else args.feature
    circuit = find_circuit(
        args.model,
        dictionaries,
        (top, feature),
        texts,
        n_parents=args.parents,
        random_state=args.seed,
    )

    def named(node):
        column = codes[node[0]][:, [node[1]]].toarray().ravel()
        return f"{node[0]}/{node[1]} ({frequent_tokens(column, acts, pieces)})"

    with open(args.out / "circuit.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["parent", "child", "drop", "relative_drop"])
        for edge in circuit.edges:
            row = [named(edge["parent"]), named(edge["child"])]
            writer.writerow([*row, edge["drop"], edge["relative_drop"]])
            print(f"{row[1]}  <-  {row[0]}: {edge['relative_drop']:.0%}")


if __name__ == "__main__":
    main()
