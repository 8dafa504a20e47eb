"""Memory of a fit over rows on disk, and of a transform to CSR. Linux only.

Run: python tests/benchmarks/memory.py [--rows 4000000] [--folder /somewhere/with/space]
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features


def anonymous_mb():
    """Return the anonymous memory of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


class Peak:
    """Largest anonymous memory while a block runs."""

    def __enter__(self):
        self.before = self.peak = anonymous_mb()
        self._running = True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while self._running:
            self.peak = max(self.peak, anonymous_mb())
            time.sleep(0.02)

    def __exit__(self, *error):
        self._running = False
        self._thread.join()


def write_rows(path, n_rows, width):
    """Write float16 rows with planted features, a part at a time."""
    rows = np.lib.format.open_memmap(path, "w+", np.float16, (n_rows, width))
    part = make_sparse_features(
        50_000, n_features=width, n_components=2 * width, decay=1.0, random_state=0
    ).X
    for start in range(0, n_rows, len(part)):
        end = min(start + len(part), n_rows)
        rows[start:end] = part[: end - start]
    rows.flush()


def main():
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, args.rows, args.width)
        rows = np.load(path, mmap_mode="r")
        sae = SparseDictionaryAutoencoder(2048, max_iter=1, random_state=0)
        start = time.perf_counter()
        with Peak() as peak:
            sae.fit(rows)
        seconds = time.perf_counter() - start
        print(f"fit of {rows.shape} float16, 2048 components, one pass: {seconds:.0f} s")
        print(f"  anonymous memory {peak.peak:.0f} MB at most ({peak.before:.0f} MB before)")
        wide = SparseDictionaryAutoencoder(4096, alpha=0.02, max_iter=1, random_state=0)
        wide.fit(rows[:100_000])
        part = rows[:1_000_000]
        start = time.perf_counter()
        with Peak() as peak:
            codes = wide.transform(part)
        seconds = time.perf_counter() - start
        size = sum(a.nbytes for a in (codes.data, codes.indices, codes.indptr)) / 2**20
        print(f"transform of {part.shape} to 4096 components: {seconds:.0f} s")
        print(f"  L0 {codes.nnz / len(part):.1f}, output {size:.0f} MB")
        print(f"  beyond the output {peak.peak - peak.before - size:.0f} MB")


if __name__ == "__main__":
    main()
