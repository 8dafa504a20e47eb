"""Activations beside one another on one layer of a real model, at equal L0.

Each dictionary is fitted to four fifths of the documents and measured on the others. The plain loop
is BatchTopK as one writes it first, with AuxK for dead features, at several learning rates. Needs
what real_layers.py needs. Candidates are the entries that a search computes exactly, per row.

Run: python tests/benchmarks/real_activations.py wikitext2-test.txt --cache FOLDER
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from plain_loops import PlainBatchTopK
from real_layers import fit, read_rows, split

from skdict._core._screening.bounds import KINDS, Screen, round_rows
from skdict.datasets import make_sparse_features
from skdict.metrics import compare_dictionaries

OURS = {
    "L1 tied": {},
    "L1 untied": {"tied_weights": False},
    "L1 untied, debiased": {"tied_weights": False, "debias": True},
    "TopK tied": {"activation": "topk"},
    "TopK untied": {"activation": "topk", "tied_weights": False},
    "BatchTopK tied": {"activation": "batch_topk"},
    "BatchTopK untied": {"activation": "batch_topk", "tied_weights": False},
    "BatchTopK untied, debiased": {
        "activation": "batch_topk",
        "tied_weights": False,
        "debias": True,
    },
    "BatchTopK untied, AuxK": {
        "activation": "batch_topk",
        "tied_weights": False,
        "dead_features": "auxk",
    },
    "JumpReLU untied, AuxK": {
        "activation": "jumprelu",
        "tied_weights": False,
        "dead_features": "auxk",
    },
}
EPOCHS, BATCH_ROWS, FALLING = 10, 1024, 0.2
AUX_WEIGHT = 1 / 32


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


def fit_plain_loop(train, args, target, rate):
    """Return encode and decode of a trained loop, and the seconds that it took."""
    start = time.perf_counter()
    torch.manual_seed(0)
    mean = train.mean(0, dtype=np.float64).astype(np.float32)
    scale = float(np.sqrt(np.square(train - mean).sum(1).mean()))
    rows = torch.from_numpy((train - mean) / scale)
    n_steps = len(rows) // BATCH_ROWS
    loop = PlainLoop(rows.shape[1], args.n_components, BATCH_ROWS, k=target, learning_rate=rate)
    loop.start(rows.shape[1], args.n_components, n_steps)
    for epoch in range(EPOCHS):
        for i, chosen in enumerate(torch.randperm(len(rows))[: n_steps * BATCH_ROWS].split(1024)):
            left = 1 - (epoch + i / n_steps) / EPOCHS
            loop.optimizer.param_groups[0]["lr"] = rate * min(1, left / FALLING)
            loop.step(rows[chosen])
    seconds = time.perf_counter() - start

    @torch.no_grad()
    def pre(x):
        x = torch.from_numpy((x - mean) / scale)
        return x @ loop.encoder.T + loop.bias

    sample = pre(train[:: max(1, len(train) // 20_000)])
    threshold = -np.partition(-sample.numpy().ravel(), int(target * len(sample)))[
        int(target * len(sample))
    ]
    atoms = loop.weights.detach().numpy()

    def rebuild(x):
        codes = torch.where(pre(x) > threshold, pre(x), 0).numpy()
        return mean + scale * (codes @ atoms), codes

    return rebuild, seconds


def print_table(rows, args):
    """Print FVU, L0, dead features and seconds of each method at each L0."""
    train, test = split(rows)
    train_rows, test_rows = np.asarray(train), np.asarray(test)
    variance = np.square(test_rows - test_rows.mean(0, dtype=np.float64)).sum()
    print(f"{args.hook_point}: {len(train)} rows to fit on, {len(test)} held out")
    print("target  method                       FVU     L0      dead  seconds")
    for target in args.target_l0s:
        for name in args.methods:
            options = OURS[name]
            sae, seconds, _ = fit(train, args, target_l0=target, **options)
            record = compare_dictionaries({"sae": sae}, None, test)["sae"]
            found = record["fvu"], record["l0"], record["n_dead"], seconds
            print_line(target, name, *found)
        for rate in args.rates:
            rebuild, seconds = fit_plain_loop(train_rows, args, target, rate)
            rebuilt, codes = rebuild(test_rows)
            fvu = np.square(test_rows - rebuilt, dtype=np.float64).sum() / variance
            dead = int((~codes.any(0)).sum())
            l0 = (codes > 0).sum() / len(codes)
            print_line(target, f"plain BatchTopK, {rate:g}", fvu, l0, dead, seconds)


def print_line(target, name, fvu, l0, dead, seconds):
    """Print one line of the table."""
    print(f"{target:6d}  {name:<27}  {fvu:.4f}  {l0:6.2f}  {dead:4d}  {seconds:7.1f}", flush=True)


def print_candidates(rows, args):
    """Print how many entries of a row the search for the k largest computes."""
    planted = make_sparse_features(
        20_000, n_features=512, n_components=2048, n_active=20, decay=1.0, random_state=0
    ).X
    sources = {"planted": planted} | {name: np.asarray(acts) for name, acts in rows.items()}
    print(
        "candidates of a row, k = 32   " + "  ".join(f"{kind:>9}" for kind in KINDS) + "       none"
    )
    for name, x in sources.items():
        sae, _, _ = fit(x[:40_000], args, activation="topk", target_l0=32, tied_weights=False)
        x = torch.from_numpy(((x[::40] - sae.mean_) / sae.scale_).astype(np.float32))
        encoder = torch.from_numpy(sae.encoder_)
        bias = torch.from_numpy(sae.encoder_bias_ / np.float32(sae.scale_))
        counts = [candidates(x, encoder, bias, kind, 32).float().mean() for kind in KINDS]
        told = "  ".join(f"{count:9.1f}" for count in counts)
        print(f"{name:<30}{told}  {len(bias):9d}", flush=True)


def candidates(x, encoder, bias, kind, k):
    """Return for each row how many entries reach the cutoff that its likely ones prove."""
    screen, rows = Screen(encoder, bias, kind), round_rows(x, kind)
    bounds, estimates = screen.upper_bounds(
        rows, screen.products(rows, screen.new_products(len(x)))
    )
    likely = estimates.topk(k).indices
    exact = torch.addmm(bias, x, encoder.T).gather(1, likely)
    cutoff = exact.amin(1, keepdim=True).clamp(min=0) * (1 - screen.cutoff_rounding)
    return (bounds > cutoff).sum(1)


def main():
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    parser.add_argument("--hook-point", default="resid_post.9")
    parser.add_argument("--target-l0s", type=int, nargs="+", default=[12, 32, 64])
    parser.add_argument("--methods", nargs="*", default=list(OURS), choices=list(OURS))
    parser.add_argument("--rates", type=float, nargs="*", default=[3e-4, 1e-3, 3e-3])
    parser.add_argument("--n-components", type=int, default=2304)
    parser.add_argument("--candidates", nargs="*", default=[], help="layers to count them on")
    args = parser.parse_args()
    args.hook_points = [args.hook_point, *args.candidates]
    rows = read_rows(args)
    if args.candidates:
        print_candidates(rows, args)
    else:
        print_table(rows[args.hook_point], args)


if __name__ == "__main__":
    main()
