"""Refitting by conjugate gradients beside refitting by normal equations: FVU on held-out rows.

Real rows are an array on disk with a table of documents, every fifth of which is held out; planted
rows have 8,192 features. Shares are of the rows that conjugate gradients use.

Run: python tests/benchmarks/refit.py --rows resid_post.9.npy --table table.npz
"""

import argparse
import time
from copy import deepcopy
from unittest.mock import patch

import numpy as np
from measuring import print_table

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import _debias, _debias_dense

SHARES = (1.0, 0.25)
COLUMNS = ("", "FVU", "of dense", "seconds")


def real_rows(args):
    """Return rows to fit on and rows held out, by document."""
    rows = np.load(args.rows, mmap_mode="r")
    held_out = np.load(args.table)["documents"] % 5 == 4
    return rows[~held_out], rows[held_out]


def planted_rows(_):
    """Return rows to fit on and rows held out."""
    data = make_sparse_features(
        120_000, n_features=256, n_components=8192, n_active=20, decay=1.0, random_state=0
    )
    return data.X[:100_000], data.X[100_000:]


def refit(sae, rows, share):
    """Return a copy with refitted codes: by normal equations, or on a share of the rows."""
    start, copied = time.perf_counter(), deepcopy(sae)
    if share is None:
        with patch.object(_debias_dense, "needed_bytes", lambda m: 0):
            copied.refit_codes(rows)
    else:
        n_rows = round(share * len(rows))
        with (
            patch.object(_debias_dense, "needed_bytes", lambda m: np.inf),
            patch.object(_debias, "_n_rows", lambda *_: n_rows),
        ):
            copied.refit_codes(rows)
    return copied, time.perf_counter() - start


def measure(title, rows, n_components, max_iter):
    """Print FVU of one dictionary before and after each way of refitting it."""
    train, test = rows
    sae = SparseDictionaryAutoencoder(
        n_components, tied_weights=False, target_l0=32, max_iter=max_iter, random_state=0
    ).fit(train)
    table = [("before", 1 - sae.score(test), None, None)]
    exact = None
    for share in (None, *SHARES):
        refitted, seconds = refit(sae, train, share)
        fvu = 1 - refitted.score(test)
        exact = exact or fvu
        name = "dense" if share is None else f"iterative, {share:.0%} of rows"
        table.append((name, fvu, fvu / exact, seconds))
    shape = f"{len(train)} rows of width {train.shape[1]}, {n_components} components"
    print_table(f"{title}: {shape}, L0 {sae.history_[-1]['l0']:.1f}", COLUMNS, table)


def main():
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help="array of real rows")
    parser.add_argument("--table", help="npz file with the document of each row")
    parser.add_argument("--max-iter", type=int, default=2)
    args = parser.parse_args()
    if args.rows:
        measure("real", real_rows(args), 2304, args.max_iter)
    measure("planted", planted_rows(args), 8192, args.max_iter)


if __name__ == "__main__":
    main()
