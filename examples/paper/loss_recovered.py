r"""
How much of the model survives a dictionary?
============================================

At every layer the residual stream is replaced by what a dictionary rebuilds of it, and the model
predicts on. Sparse dictionaries are learned along a path of alphas; PCA, ICA, random directions
and the neuron basis are cut to their k strongest codes of each token (with one gain for all, fitted
by least squares), so that all are seen at the L0 they need. Dictionaries are fitted on some stories
and measured on others.

Writes ``loss_recovered.csv``, one line for each layer, method, setting and seed, and
``loss_recovered.png``, cross-entropy against L0::

    python examples/paper/loss_recovered.py --out scratch
    python examples/paper/loss_recovered.py --model stories260K --text stories.txt --out scratch
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.decomposition import PCA, FastICA

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    load_stories,
    sparse_dictionary_path,
)
from skdict.decomposition import TopKDictionary
from skdict.interventions import loss_recovered
from skdict.metrics import compare_dictionaries
from skdict.models import load_model

MEASURES = ("cross_entropy_increase", "loss_recovered_zero", "loss_recovered_mean")
MEASURES += ("cross_entropy", "cross_entropy_reconstructed", "kl_divergence", "n_tokens")
MEASURES += ("perplexity", "perplexity_reconstructed")
STYLES = {"sae": "C0-o", "pca": "C1-s", "ica": "C2-^", "random": "C7-x", "neurons": "k-d"}


def parse_args():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="name or folder; the bundled one without")
    parser.add_argument("--text", type=Path, help="stories, separated by <|endoftext|>")
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n-train", type=int, default=400, help="stories to fit on")
    parser.add_argument("--n-test", type=int, default=40, help="stories to measure on")
    parser.add_argument("--n-components", type=int, default=512)
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2, 0.4])
    parser.add_argument("--n-active", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--ica-components", type=int, default=64)
    parser.add_argument("--ica-rows", type=int, default=8000)
    parser.add_argument("--max-iter", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    return parser.parse_args()


def dictionaries(rows, args, seed):
    """Yield method, setting and fitted dictionary."""
    path = sparse_dictionary_path(
        rows,
        args.alphas,
        n_components=args.n_components,
        max_iter=args.max_iter,
        random_state=seed,
    )
    for alpha, sae in zip(path.alphas, path, strict=True):
        yield "sae", f"alpha={alpha:g}", sae
    some = np.asarray(rows[np.random.default_rng(seed).permutation(len(rows))[: args.ica_rows]])
    width = rows.shape[1]
    ica = FastICA(min(args.ica_components, width), random_state=seed, max_iter=300, tol=1e-2)
    baselines = {
        "pca": PCA().fit(some),
        "ica": ica.fit(some),
        "random": RandomDictionary(args.n_components, random_state=seed).fit(some),
        "neurons": IdentityDictionary().fit(some),
    }
    for name, fitted in baselines.items():
        for k in args.n_active:
            if k <= len(fitted.components_):
                cut = TopKDictionary(fitted, k, gain=True, prefit=True).fit(some)
                yield name, f"k={k}", cut


def draw(records, path):
    """Draw cross-entropy against L0 for each layer."""
    layers = sorted({record["layer"] for record in records})
    figure, axes = plt.subplots(
        1,
        len(layers),
        figsize=(3 * len(layers), 3.4),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axis, layer in zip(axes[0], layers, strict=True):
        here = [record for record in records if record["layer"] == layer]
        for name, style in STYLES.items():
            settings = dict.fromkeys(r["setting"] for r in here if r["method"] == name)
            points = sorted(_mean(here, name, setting) for setting in settings)
            axis.plot(*zip(*points, strict=True), style, label=name, markersize=4)
        axis.axhline(here[0]["cross_entropy"], color="0.7", label="the model itself")
        axis.set(xlabel="L0", title=f"after block {layer}", xscale="log")
        axis.tick_params(axis="x", which="minor", labelbottom=False)
    axes[0, 0].set_ylabel("cross-entropy, nats a token")
    axes[0, 0].legend(fontsize=7)
    figure.savefig(path, dpi=150)


def _mean(records, method, setting):
    runs = [r for r in records if (r["method"], r["setting"]) == (method, setting)]
    return tuple(np.mean([r[m] for r in runs]) for m in ("l0", "cross_entropy_reconstructed"))


def main():
    """Run all layers and seeds."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    stories = load_stories()
    pair = load_model(args.model or stories.model, device=torch.device("cpu"))
    texts = stories.texts
    if args.text:
        parts = args.text.read_text(encoding="utf-8").split("<|endoftext|>")
        texts = [part.strip() for part in parts if part.strip()]
    # The bundled texts come kind by kind.
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    train, test = texts[: args.n_train], texts[-args.n_test :]
    records = []
    for layer in args.layers:
        hook_point = f"resid_post.{layer}"
        extractor = ActivationExtractor(pair, hook_point, max_length=args.max_length)
        rows, held_out = extractor.fit_transform(train), extractor.fit_transform(test)
        for seed in args.seeds:
            for method, setting, fitted in dictionaries(rows, args, seed):
                seen = compare_dictionaries({"it": fitted}, None, held_out)["it"]
                got = loss_recovered(pair, hook_point, fitted, test, max_length=args.max_length)
                record = {"layer": layer, "seed": seed, "method": method, "setting": setting}
                record |= {"l0": seen["l0"], "fvu": seen["fvu"]} | {m: got[m] for m in MEASURES}
                records.append(record)
                print(
                    *(f"{v:.4g}" if isinstance(v, float) else v for v in record.values()),
                    flush=True,
                )
        # After each layer, so that a run that is cut short leaves what it has.
        write(records, args.out)


def write(records, folder):
    """Write the table and the figure."""
    with (folder / "loss_recovered.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    draw(records, folder / "loss_recovered.png")


if __name__ == "__main__":
    main()
