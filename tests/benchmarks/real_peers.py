"""BatchTopK, JumpReLU and TopK by other code, on the layer of a real model of real_activations.py.

SAELens' trainers and sparsify's coder, where they are installed (see peers.txt), and BatchTopK by
a plain loop of autograd with AuxK. Every dictionary sees as many rows, in batches of as many, as
ours do; their codes are measured as they are, on held-out documents.

Run: python tests/benchmarks/real_peers.py wikitext2-test.txt --cache FOLDER
"""

import argparse
import importlib.util
import itertools
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from methods import Sparsify, import_all
from plain_loops import PlainBatchTopK
from real_activations import LAYER, N_COMPONENTS
from real_layers import read_rows, split

EPOCHS, BATCH_ROWS, FALLING = 10, 1024, 0.2
AUX_WEIGHT, NORM_BATCHES = 1 / 32, 20


class PlainLoop(PlainBatchTopK):
    """The loop with AuxK: dead features rebuild the residual (Gao et al. 2024, appendix A.2)."""

    def start(self, width, n_components, silent_steps):
        """Begin from random directions."""
        directions = torch.nn.functional.normalize(torch.randn(n_components, width), dim=1)
        self.load(directions, torch.zeros(n_components))
        self._silent = torch.zeros(n_components, dtype=torch.int64)
        self._silent_steps, self._most = silent_steps, width // 2

    def step(self, x):
        """Train on a batch."""
        pre = x @ self.encoder.T + self.bias
        positive = torch.relu(pre).flatten()
        kept = positive.topk(int(self._k * len(x)), sorted=False).indices
        codes = torch.zeros_like(positive).scatter(0, kept, positive[kept]).view_as(pre)
        residual = x - self.decode(codes)
        loss = residual.square().sum(1).mean() + AUX_WEIGHT * self._aux_loss(pre, residual.detach())
        self._silent = (self._silent + 1).masked_fill((codes > 0).any(0), 0)
        self.optimizer.zero_grad()
        loss.backward()
        self.move()

    def _aux_loss(self, pre, residual):
        dead = self._silent >= self._silent_steps
        if not dead.any():
            return 0.0
        top = pre[:, dead].topk(min(self._most, int(dead.sum())), dim=1)
        codes = torch.zeros_like(pre[:, dead]).scatter(1, top.indices, torch.relu(top.values))
        missing = residual - codes @ self.weights[dead]
        return missing.square().sum() / (residual - residual.mean(0)).square().sum()


def batches(rows, seed=0):
    """Yield the batches of each epoch, shuffled, without the last few rows."""
    generator = torch.Generator().manual_seed(seed)
    n_kept = len(rows) // BATCH_ROWS * BATCH_ROWS
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(rows), generator=generator)[:n_kept].split(BATCH_ROWS):
            yield rows[chosen]


def plain_loop(rows, k, rate):
    """Return encode and decode of the plain loop, with a threshold from rows trained on."""
    n_steps = len(rows) // BATCH_ROWS
    loop = PlainLoop(rows.shape[1], N_COMPONENTS, BATCH_ROWS, k=k, learning_rate=rate)
    loop.start(rows.shape[1], N_COMPONENTS, n_steps)
    for i, x in enumerate(batches(rows)):
        left = 1 - i / (EPOCHS * n_steps)
        loop.optimizer.param_groups[0]["lr"] = rate * min(1, left / FALLING)
        loop.step(x)

    def pre(x):
        return x @ loop.encoder.T + loop.bias

    sample = pre(rows[:: max(1, len(rows) // 20_000)]).flatten()
    threshold = sample.kthvalue(len(sample) - int(k * len(sample) // N_COMPONENTS)).values
    return lambda x: torch.where(pre(x) > threshold, pre(x), 0), loop.decode


def saelens(rows, k, rate, kind):
    """Return encode and decode of a dictionary by SAELens' trainer, as it would be saved."""
    library, config, training = import_all(
        ("sae_lens", "sae_lens.config", "sae_lens.training.sae_trainer")
    )
    shape = {"d_in": rows.shape[1], "d_sae": N_COMPONENTS}
    shape["normalize_activations"] = "expected_average_only_in"
    if kind == "batchtopk":
        sae = library.BatchTopKTrainingSAE(library.BatchTopKTrainingSAEConfig(**shape, k=k))
    else:
        options = {"jumprelu_sparsity_loss_mode": "quadratic", "target_l0": k}
        sae = library.JumpReLUTrainingSAE(library.JumpReLUTrainingSAEConfig(**shape, **options))
    n_steps = len(rows) // BATCH_ROWS
    settings = config.SAETrainerConfig(
        total_training_samples=EPOCHS * n_steps * BATCH_ROWS,
        train_batch_size_samples=BATCH_ROWS,
        lr=rate,
        lr_end=0.0,
        lr_decay_steps=int(EPOCHS * n_steps * FALLING),
        dead_feature_window=n_steps,
        n_batches_for_norm_estimate=NORM_BATCHES,
    )
    for_the_norm = itertools.islice(batches(rows, seed=1), NORM_BATCHES)
    stream = itertools.chain(for_the_norm, batches(rows))
    trained = training.SAETrainer(settings, sae, stream).fit()
    with tempfile.TemporaryDirectory() as folder:
        trained.save_inference_model(folder)
        saved = library.SAE.load_from_disk(folder)
    return saved.encode, saved.decode


def sparsify(rows, k, rate, optimizer):
    """Return encode and decode of a dictionary by sparsify's coder and optimiser."""
    options = {"k": k, "optimizer": optimizer, "learning_rate": rate}
    coder = Sparsify(rows.shape[1], N_COMPONENTS, BATCH_ROWS, **options)
    for x in batches(rows):
        coder.step(x)
    coder.finish()
    return coder.codes, coder.decode


METHODS = {
    "plain BatchTopK loop, 3e-3": (None, partial(plain_loop, rate=3e-3)),
    "SAELens BatchTopK, 3e-4": ("sae_lens", partial(saelens, rate=3e-4, kind="batchtopk")),
    "SAELens BatchTopK, 1e-3": ("sae_lens", partial(saelens, rate=1e-3, kind="batchtopk")),
    "SAELens JumpReLU, 3e-4": ("sae_lens", partial(saelens, rate=3e-4, kind="jumprelu")),
    "SAELens JumpReLU, 1e-3": ("sae_lens", partial(saelens, rate=1e-3, kind="jumprelu")),
    "sparsify TopK, signum": ("sparsify", partial(sparsify, rate=None, optimizer="signum")),
    "sparsify TopK, Adam 1e-3": ("sparsify", partial(sparsify, rate=1e-3, optimizer="adam")),
}


def measure(train, test, fit, k):
    """Return FVU, L0, features that fire on no held-out row, and seconds."""
    mean = train.mean(0, dtype=np.float64).astype(np.float32)
    scale = float(np.sqrt(np.square(train - mean).sum(1).mean()))
    rows, held_out = (torch.from_numpy((x - mean) / scale) for x in (train, test))
    torch.manual_seed(0)
    start = time.perf_counter()
    encode, decode = fit(rows, k)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        parts = [encode(x) for x in held_out.split(4096)]
        error = sum(
            float((decode(codes) - x).square().sum())
            for codes, x in zip(parts, held_out.split(4096), strict=True)
        )
    fires = torch.stack([(codes > 0).sum(0) for codes in parts]).sum(0)
    variance = float((held_out - held_out.mean(0)).square().sum())
    return error / variance, float(fires.sum()) / len(held_out), int((fires == 0).sum()), seconds


def main():
    """Print one line for each method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--target-l0", type=int, default=32)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    args.hook_points = [LAYER]
    train, test = map(np.asarray, split(read_rows(args)[LAYER]))
    table = []
    for name in args.methods:
        library, fit = METHODS[name]
        if library and not importlib.util.find_spec(library):
            print(f"left out, {library} is not installed: {name}")
            continue
        table.append([name, *measure(train, test, fit, args.target_l0)])
        print(table[-1], flush=True)
    print_table(
        f"{LAYER}, {len(train)} rows, L0 {args.target_l0}, seed 0",
        ["method", "FVU", "L0", "dead", "seconds"],
        table,
    )


if __name__ == "__main__":
    main()
