"""Time to load a store of 1,000,000 rows and a dictionary of 16,384 features of width 2,048.

Run in a checkout, `python tests/benchmarks/loading.py FOLDER`, once for each version to compare:
what is loaded is written anew by the version itself. Files are in the page cache.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from skdict import Activations, SparseDictionaryAutoencoder
from skdict._store import store_digest
from skdict.io import load_dictionary, save_dictionary

ROWS, WIDTH = 1_000_000, 64
FEATURES, MODEL_WIDTH = 16_384, 2_048
VOCABULARY = 50_000
REPEATS = 9


def make_store(folder):
    """Write a store with a vocabulary of the usual size."""
    rng = np.random.default_rng(0)
    Activations(
        rng.standard_normal((ROWS, WIDTH), dtype=np.float32),
        documents=np.arange(ROWS) // 500,
        positions=np.arange(ROWS) % 500,
        token_ids=rng.integers(VOCABULARY, size=ROWS),
        vocabulary=[f" token{i}" for i in range(VOCABULARY)],
        metadata={"model": "planted", "hook_point": "resid_post.9"},
    ).save(folder)


def make_dictionary(folder):
    """Save a dictionary of random directions under the attributes of a fitted one."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((64, 4), dtype=np.float32)
    sae = SparseDictionaryAutoencoder(8, max_iter=1, tied_weights=False, random_state=0).fit(small)
    for name in ("components_", "encoder_"):
        setattr(sae, name, rng.standard_normal((FEATURES, MODEL_WIDTH), dtype=np.float32))
    sae.encoder_bias_, sae.mean_ = np.zeros(FEATURES, "f4"), np.zeros(MODEL_WIDTH, "f4")
    sae.firing_counts_ = np.zeros(FEATURES, dtype=np.int64)
    sae.n_features_in_, sae.n_components = MODEL_WIDTH, FEATURES
    save_dictionary(sae, folder)


def seconds(call):
    """Return the fastest and the median time of several calls, after one that is not counted."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"least": round(min(times), 4), "median": round(float(np.median(times)), 4)}


def main(folder):
    """Write, load and print seconds as JSON."""
    store, dictionary = folder / "store", folder / "dictionary"
    make_store(store)
    make_dictionary(dictionary)
    results = {
        "store": seconds(lambda: Activations.load(store)),
        "store, verified": seconds(lambda: Activations.load(store, verify=True)),
        "digest": seconds(lambda: store_digest(store)),
        "dictionary": seconds(lambda: load_dictionary(dictionary)),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
