"""What an MLP of a real model computes: transcoders beside an autoencoder on its outputs.

Dictionaries of 4,608 features at L0 32 see as many rows in as many steps: transcoders from `mlp_in`
to `mlp_out`, with and without a skip connection, an autoencoder on `mlp_out` with the same
activation, and, where it is installed (see peers.txt), sparsify's coder with `transcode=True`, on
rows that are centred and scaled. FVU of `mlp_out` is that of held-out documents; the increase in
cross-entropy that of the model on the beginnings of some of them. Seconds are of processor time.
Needs what real_layers.py needs. Fits are recorded one by one, so that a stopped run resumes.

Run: python tests/benchmarks/real_transcoders.py wikitext2-test.txt --cache FOLDER --record FILE
"""

import argparse
import importlib.util
import itertools
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from methods import Sparsify
from real_layers import paragraphs_of, read_rows, split

from skdict import SparseDictionaryAutoencoder, SparseTranscoder
from skdict._core import Weights
from skdict.datasets import fetch_smollm2
from skdict.evaluation import loss_recovered

N_COMPONENTS, TARGET_L0, BATCH_ROWS, EPOCHS = 4608, 32, 1024, 4
KINDS = {"TopK": "topk", "BatchTopK": "batch_topk"}
SKIP = {"": False, ", skip connection": True}


class SparsifyTranscoder(Sparsify):
    """sparsify's coder from rows to targets, started as its trainer starts it."""

    def __init__(self, x, y, skip_connection, k):
        options = {"transcode": True, "skip_connection": skip_connection}
        super().__init__(x.shape[1], N_COMPONENTS, BATCH_ROWS, k=k, **options)
        self._coder.encoder.bias.data = -x.mean(0) @ self._coder.encoder.weight.data.T
        self._coder.b_dec.data = y.mean(0)

    def step(self, x, y):
        """Train on a batch."""
        self._coder(x, y).fvu.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def transcoder(self, x_side, y_side):
        """Return a `SparseTranscoder` with its weights, in the units of the rows."""
        named = {n: p.detach().numpy() for n, p in self._coder.named_parameters()}
        norms = np.maximum(np.linalg.norm(named["W_dec"], axis=1), 1e-12)
        (mean, scale), (target_mean, target_scale) = x_side, y_side
        skip = named.get("W_skip")
        weights = Weights(
            components=named["W_dec"] / norms[:, None],
            encoder=named["encoder.weight"] / scale,
            encoder_bias=named["encoder.bias"],
            mean=mean,
            scale=1.0,
            target_mean=target_mean + target_scale * named["b_dec"],
            target_scale=1.0,
            skip=None if skip is None else skip.T * (target_scale / scale),
            code_gains=norms * target_scale,
            k=self._coder.cfg.k,
        )
        transcoder = SparseTranscoder(N_COMPONENTS, activation="topk")
        vars(transcoder).update(
            weights.attributes() | {"n_features_in_": len(mean), "history_": []}
        )
        return transcoder


def centre_and_scale(rows):
    """Return the mean of rows and the root mean square of their distances from it."""
    mean = rows.mean(0, dtype=np.float64)
    return mean.astype(np.float32), np.float32(np.sqrt(np.square(rows - mean).sum(1).mean()))


def fit_sparsify(X, Y, seed, *, skip_connection):
    """Return a transcoder trained by sparsify's coder and optimiser."""
    sides = centre_and_scale(X), centre_and_scale(Y)
    x, y = (
        torch.from_numpy((rows - mean) / scale)
        for rows, (mean, scale) in zip((X, Y), sides, strict=True)
    )
    torch.manual_seed(seed)
    coder = SparsifyTranscoder(x, y, skip_connection, TARGET_L0)
    n_kept = len(x) // BATCH_ROWS * BATCH_ROWS
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x))[:n_kept].split(BATCH_ROWS):
            coder.step(x[chosen], y[chosen])
    coder.finish()
    return coder.transcoder(*sides)


def fit_ours(X, Y, seed, *, activation, skip_connection):
    """Return a fitted `SparseTranscoder`, or an autoencoder if `skip_connection` is None."""
    shared = {"activation": activation, "target_l0": TARGET_L0, "max_iter": EPOCHS}
    shared |= {"batch_size": BATCH_ROWS, "random_state": seed}
    if skip_connection is None:
        return SparseDictionaryAutoencoder(N_COMPONENTS, **shared).fit(Y)
    return SparseTranscoder(N_COMPONENTS, skip_connection=skip_connection, **shared).fit(X, Y)


def fits():
    """Return a function of X, Y and seed for each name."""
    found = {}
    for kind, activation in KINDS.items():
        ours = partial(fit_ours, activation=activation)
        found[f"{kind}, autoencoder"] = partial(ours, skip_connection=None)
        for name, skip in SKIP.items():
            found[f"{kind}, transcoder{name}"] = partial(ours, skip_connection=skip)
    if importlib.util.find_spec("sparsify"):
        for name, skip in SKIP.items():
            found[f"sparsify{name}"] = partial(fit_sparsify, skip_connection=skip)
    return found


def measure(fit, X, Y, test, seed):
    """Return a fitted dictionary with FVU, L0, dead features and seconds."""
    start = time.process_time()
    fitted = fit(X, Y, seed)
    seconds = time.process_time() - start
    predicts = hasattr(fitted, "predict")
    rows = test[0] if predicts else test[1]
    codes = fitted.transform(rows)
    predicted = fitted.predict(rows) if predicts else fitted.inverse_transform(codes)
    error = np.square(test[1] - predicted, dtype=np.float64).sum()
    record = {"fvu": error / np.square(test[1] - test[1].mean(0, dtype=np.float64)).sum()}
    fires = np.asarray((codes != 0).sum(0)).ravel()
    record |= {"l0": fires.sum() / len(rows), "dead": int((fires == 0).sum())}
    return fitted, {k: float(v) for k, v in record.items()} | {"seconds": seconds}


def run(job, rows, texts):
    """Return the record of a method at a layer with a seed."""
    pair = f"mlp_in.{job['layer']}", f"mlp_out.{job['layer']}"
    (X, test_X), (Y, test_Y) = (map(np.asarray, rows[name]) for name in pair)
    fitted, record = measure(fits()[job["method"]], X, Y, (test_X, test_Y), job["seed"])
    place = pair if hasattr(fitted, "predict") else pair[1]
    loss = loss_recovered(fetch_smollm2().model, place, fitted, texts, max_length=128)
    return job | record | {"cross_entropy_increase": loss.cross_entropy_increase}


def main():
    """Print one line for each layer and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--record", required=True, type=Path, help="file of records")
    parser.add_argument("--layers", type=int, nargs="+", default=[3, 9, 15])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", default=list(fits()), choices=list(fits()))
    parser.add_argument("--n-texts", type=int, default=64, help="texts that the model reads")
    args = parser.parse_args()
    args.hook_points = [f"mlp_{side}.{layer}" for layer in args.layers for side in ("in", "out")]
    rows = {name: split(acts) for name, acts in read_rows(args).items()}
    texts = [t for i, t in enumerate(paragraphs_of(args.texts)) if i % 5 == 4][: args.n_texts]
    done = [json.loads(line) for line in args.record.open()] if args.record.exists() else []
    for seed, layer, method in itertools.product(args.seeds, args.layers, args.methods):
        job = {"layer": layer, "seed": seed, "method": method}
        if not any(job.items() <= record.items() for record in done):
            done.append(run(job, rows, texts))
            with args.record.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(done[-1], flush=True)
    columns = ["layer", "seed", "method", "fvu", "l0", "dead", "cross_entropy_increase", "seconds"]
    table = [[record[column] for column in columns] for record in done]
    print_table(f"{N_COMPONENTS} features, L0 {TARGET_L0}, {EPOCHS} epochs", columns, table)


if __name__ == "__main__":
    main()
