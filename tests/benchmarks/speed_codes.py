"""Section of speed.py: codes of many rows as CSR, beside dense codes compressed by scipy."""

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from measuring import print_table
from memory import Peak
from speed_steps import scaled_rows

from skdict import SparseDictionaryAutoencoder

N_COMPONENTS = 4096
DENSE_ROWS = 65_536


def ours(sae, rows):
    """Return the codes of rows."""
    return sae.transform(rows)


def dense(sae, rows):
    """Return the codes of rows, all codes of some rows at a time, and compressed by scipy."""
    encoder, bias = torch.from_numpy(sae.encoder_), torch.from_numpy(sae.encoder_bias_)
    mean, parts = torch.from_numpy(sae.mean_), []
    for start in range(0, len(rows), DENSE_ROWS):
        block = torch.from_numpy(np.array(rows[start : start + DENSE_ROWS], dtype=np.float32))
        codes = torch.relu((block - mean) @ encoder.T + bias)
        parts.append(scipy.sparse.csr_array(codes.numpy()))
    return scipy.sparse.vstack(parts, format="csr")


def measure_transform(args):
    """Print seconds and memory of both, each in a process of its own."""
    trained = scaled_rows(100_000, args.width).numpy()
    sae = SparseDictionaryAutoencoder(N_COMPONENTS, max_iter=3, random_state=0)
    sae.fit(trained)
    context = multiprocessing.get_context("spawn")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        rows = np.lib.format.open_memmap(path, "w+", np.float32, (args.transform_rows, args.width))
        for start in range(0, len(rows), len(trained)):
            rows[start : start + len(trained)] = trained[: len(rows) - start]
        rows.flush()
        for work in (dense, ours):
            with context.Pool(1) as pool:
                results[work.__name__] = pool.apply(_measured, (work, sae, path))
    table = [
        ["dense in torch, compressed by scipy", *results["dense"], 1.0, 1.0],
        [
            "skdict's transform",
            *results["ours"],
            *(a / b for a, b in zip(results["dense"][:2], results["ours"][:2], strict=True)),
        ],
    ]
    print_table(
        f"{args.transform_rows} rows, {args.width} wide, {N_COMPONENTS} components, to CSR",
        ["", "seconds", "MB beyond codes", "L0", "x faster (goal 3)", "x less memory (goal 10)"],
        table,
    )
    whole = args.transform_rows * N_COMPONENTS * 4 / 2**20
    print(f"  dense: {DENSE_ROWS} rows at a time; all at once would take {whole:.0f} MB")


def _measured(work, sae, path):
    """Return seconds, memory beyond the codes, and L0."""
    rows = np.load(path, mmap_mode="r")
    work(sae, rows[:DENSE_ROWS])
    with Peak() as peak:
        began = time.perf_counter()
        codes = work(sae, rows)
        seconds = time.perf_counter() - began
    size = sum(a.nbytes for a in (codes.data, codes.indices, codes.indptr)) / 2**20
    return seconds, peak.peak - peak.before - size, codes.nnz / len(rows)
