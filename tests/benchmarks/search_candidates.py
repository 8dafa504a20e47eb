"""Entries that the search for the k largest pre-activations computes exactly, per row.

By the type of its narrow products, on planted rows and on layers of a real model. Needs what
real_layers.py needs.

Run: python tests/benchmarks/search_candidates.py wikitext2-test.txt --cache FOLDER
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from real_layers import fit, read_rows

from skdict._core._screening.bounds import KINDS, Screen, round_rows
from skdict.datasets import make_sparse_features


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
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--cache", required=True, type=Path, help="folder for the activations")
    layers = ["resid_post.3", "resid_post.9", "resid_post.15"]
    parser.add_argument("--hook-points", nargs="+", default=layers)
    parser.add_argument("--n-components", type=int, default=2304)
    args = parser.parse_args()
    print_candidates(read_rows(args), args)


if __name__ == "__main__":
    main()
