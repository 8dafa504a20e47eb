"""Memory and speed of FeatureStatistics as the corpus grows tenfold. Linux only.

Run: python tests/benchmarks/feature_statistics.py [--tokens 200000] [--features 512] [--l0 12]
"""

import argparse
import time

import numpy as np
import scipy.sparse
from memory import Peak

from skdict import Activations
from skdict.inspection import FeatureStatistics

VOCABULARY, LENGTH, BLOCK = 2048, 128, 64


def blocks(n_tokens, n_features, l0):
    """Yield codes and rows, some documents at a time: each token has features of its own."""
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, VOCABULARY + 1)
    own = rng.integers(0, n_features, (VOCABULARY, l0))
    n = BLOCK * LENGTH
    for block in range(n_tokens // n):
        ids = rng.choice(VOCABULARY, n, p=frequency / frequency.sum())
        # Two of three features follow from the token, the others from anything.
        features = np.where(
            rng.random((n, l0)) < 0.67, own[ids], rng.integers(0, n_features, (n, l0))
        )
        values = rng.gamma(2.0, size=n * l0).astype(np.float32)
        codes = scipy.sparse.csr_array(
            (values, features.ravel(), np.arange(0, n * l0 + 1, l0)), (n, n_features)
        )
        documents = np.repeat(np.arange(block * BLOCK, (block + 1) * BLOCK), LENGTH)
        acts = Activations(
            np.zeros((n, 1), dtype=np.float32),
            documents=documents,
            positions=np.tile(np.arange(LENGTH), BLOCK),
            token_ids=ids,
        )
        yield codes, acts


def main():
    """Measure a corpus, and one ten times as large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--l0", type=int, default=12)
    args = parser.parse_args()
    for n_tokens in (args.tokens, 10 * args.tokens):
        statistics, seconds = FeatureStatistics(), 0.0
        with Peak() as peak:
            for codes, acts in blocks(n_tokens, args.features, args.l0):
                start = time.perf_counter()
                statistics.partial_fit(codes, acts)
                seconds += time.perf_counter() - start
        pairs = len(statistics._sums.pairs.pairs()[0])
        print(
            f"{statistics.n_tokens_:>9,} tokens, {args.features} features: "
            f"{peak.peak - peak.before:.0f} MB, {statistics.n_tokens_ / seconds:,.0f} tokens/s, "
            f"{pairs:,} pairs of feature and token"
        )


if __name__ == "__main__":
    main()
