"""Three features of an MLP of a real model: what makes them fire, what they write, and the check.

A transcoder of 4,608 features at L0 32 is fitted from `mlp_in` to `mlp_out`. Sentences that end in
a token of interest select the features, without manual choice: of those that fire on less than 2 %
of tokens, the one with the largest code on the last token. For each, on held-out texts:

- inputs: the tokens and contexts on which it fires, and an explanation with its score;
- outputs by weights: direct logit attribution of its decoder direction;
- the check: the change in log-probabilities when it is ablated, in nats. The rank correlation of
  both over the vocabulary stands beside that with the attribution of the other features.

Needs what real_layers.py needs.

Run: python tests/benchmarks/mlp_features.py wikitext2-test.txt --cache FOLDER --figure FILE
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from real_layers import paragraphs_of, read_rows, split
from real_transcoders import fit_ours
from scipy.stats import spearmanr

from skdict import ActivationExtractor, FeatureInterpreter
from skdict._text import readable
from skdict.datasets import fetch_smollm2
from skdict.inspection import InputHistogramDisplay, summarize_features
from skdict.interventions import output_effects

SENTENCES = (
    "He was born in 1945",
    "The party was founded in Munich (",
    "The admiral sent the battleship",
)
MOST_FREQUENT = 0.02


def select(transcoder, codes, model, hook_point, sentences):
    """Return the feature that each sentence selects."""
    found = ActivationExtractor(model, hook_point).transform(list(sentences))
    ends = np.searchsorted(found.documents, np.arange(len(sentences)), side="right") - 1
    last = transcoder.transform(np.asarray(found)[ends]).toarray()
    last[:, np.asarray((codes != 0).mean(axis=0)).ravel() >= MOST_FREQUENT] = 0
    for sentence, row in zip(sentences, last, strict=True):
        if not row.any():
            raise SystemExit(f"no rare feature fires on the last token of {sentence!r}")
    return list(dict.fromkeys(last.argmax(axis=1).tolist()))


def agreement(table):
    """Return the rank correlation of each feature's effects with each one's attribution."""
    return np.array([[spearmanr(e, d).statistic for d in table.direct] for e in table.effects])


def draw(table, codes, rows, path):
    """Draw what each feature fires on, and its effects by weights and by ablation."""
    n = len(table.features)
    fig, axes = plt.subplots(n, 2, figsize=(10, 3.2 * n), layout="constrained", squeeze=False)
    for (left, right), feature, effect, direct in zip(
        axes, table.features, table.effects, table.direct, strict=True
    ):
        InputHistogramDisplay.from_codes(codes, rows, feature).plot(left, stat="share")
        left.set(title=f"feature {feature}", xlabel="code", ylabel="share of tokens")
        left.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
        right.scatter(direct, effect, s=4, color="0.75", linewidths=0, rasterized=True)
        largest = np.argsort(-effect)[:8]
        right.scatter(direct[largest], effect[largest], s=16, color="#5b3f91")
        words = "\n".join(readable(table.vocabulary[token]).strip() for token in largest)
        right.text(1, 0, words, color="#5b3f91", fontsize=8, transform=right.transAxes)
        right.set(xlabel="by weights (logits)", ylabel="by ablation (nats)")
        right.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=110)


def main():
    """Print the study and save the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--figure", required=True, type=Path)
    parser.add_argument("--layer", type=int, default=27)
    parser.add_argument("--activation", default="topk", choices=["topk", "batch_topk"])
    parser.add_argument("--skip-connection", action="store_true")
    parser.add_argument("--n-texts", type=int, default=60, help="texts to ablate in")
    args = parser.parse_args()
    pair = args.hook_points = [f"mlp_{side}.{args.layer}" for side in ("in", "out")]
    (X, X_test), (Y, Y_test) = (split(acts) for acts in read_rows(args).values())
    options = {"activation": args.activation, "skip_connection": args.skip_connection}
    transcoder = fit_ours(np.asarray(X), np.asarray(Y), 0, **options)
    print(f"{pair}: FVU {1 - transcoder.score(X_test, Y_test):.3f}")
    model, codes = fetch_smollm2().model, transcoder.transform(X_test)
    features = select(transcoder, codes, model, pair[0], SENTENCES)
    for summary in summarize_features(codes, X_test, features):
        print(summary)
    interpreter = FeatureInterpreter(transcoder, features=features, random_state=0).fit(X)
    for feature, explanation in zip(features, interpreter.explanations_, strict=True):
        print(feature, explanation)
    texts = [t for i, t in enumerate(paragraphs_of(args.texts)) if i % 5 == 4]
    options = {"n_texts": args.n_texts, "max_length": 128, "random_state": 0}
    table = output_effects(model, tuple(pair), transcoder, texts, features, **options)
    for feature, n_positions in zip(table.features, table.n_positions, strict=True):
        likelier, less_likely = table.tokens(feature, 8)
        print(f"{feature}, {n_positions} positions: {likelier} {less_likely}")
    print(f"rank correlation of effects (rows) with attribution (columns)\n{agreement(table)}")
    draw(table, codes, X_test, args.figure)


if __name__ == "__main__":
    main()
