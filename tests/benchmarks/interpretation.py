"""Time and memory of explaining and scoring every feature of a dictionary.

Codes are planted and made block by block, so that what is measured is the explaining alone: each
feature fires on a few tokens of its own, on some of them only after a certain other one, and at
random. The dictionary takes a row's first number for its place in the codes.

Run: python tests/benchmarks/interpretation.py [--tokens 1000000] [--features 2048] [--active 32]
"""

import argparse
import resource
import time

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator

from skdict import Activations
from skdict.activations import Vocabulary
from skdict.interpretation import FeatureInterpreter

LENGTH, TYPES = 200, 5000


class PlantedCodes(BaseEstimator):
    """A fitted dictionary whose codes follow from the token and the token before it."""

    def __init__(self, n_features, n_active):
        self.components_ = np.eye(n_features, 2, dtype=np.float32)
        self.n_features, self.n_active = n_features, n_active
        # Active for each token: most of a few features, drawn once.
        self._features = np.random.default_rng(1).integers(0, n_features, (TYPES, n_active))

    def fit(self, X):
        """Learn nothing: all is planted."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    def transform(self, X):
        """Return codes for rows of (token, token before)."""
        token, before = X[:, 0].astype(int), X[:, 1].astype(int)
        features = self._features[token]
        # A quarter of a token's features wait for a token before that is odd.
        fires = (np.arange(self.n_active) % 4 > 0) | (before[:, None] % 2 == 1)
        values = 1 + ((features + before[:, None]) % 7) / 7
        at = np.repeat(np.arange(len(X)), self.n_active)[fires.ravel()], features[fires]
        shape = len(X), len(self.components_)
        return scipy.sparse.csr_array((values[fires].astype(np.float32), at), shape=shape)

    def inverse_transform(self, X):
        """Return rows; nothing here asks for them."""
        return X @ self.components_


def planted(n_tokens):
    """Return activations of Zipfian text whose rows are (token, token before)."""
    weights = 1 / (10 + np.arange(TYPES))
    ids = np.random.default_rng(0).choice(TYPES, n_tokens, p=weights / weights.sum())
    ids = ids.astype(np.int32)
    before = np.concatenate([[0], ids[:-1]])
    row = np.arange(n_tokens, dtype=np.int32)
    return Activations(
        np.stack([ids, before], axis=1).astype(np.float32),
        documents=row // LENGTH,
        positions=row % LENGTH,
        token_ids=ids,
        vocabulary=vocabulary(),
    )


def vocabulary():
    """Return words with random vectors, so that there are spellings, classes and topics."""
    vectors = np.random.default_rng(2).normal(size=(TYPES, 128))
    endings = ("", "s", "ed", "ing", "ly")
    return Vocabulary([f" w{i}{endings[i % 5]}" for i in range(TYPES)], vectors)


def main():
    """Measure one fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--active", type=int, default=32)
    args = parser.parse_args()
    acts = planted(args.tokens)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    interpreter = FeatureInterpreter(
        PlantedCodes(args.features, args.active), sign="positive", random_state=0
    )
    start, cpu = time.perf_counter(), time.process_time()
    interpreter.fit(acts)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{args.tokens:,} tokens, {args.features:,} features, L0 up to {args.active}")
    print(f"{seconds:.1f} s ({cpu:.1f} s of processor), peak {peak:.0f} MB ({before:.0f} before)")
    report = interpreter.report_
    print(", ".join(f"{name} {value:.3g}" for name, value in report.items()))


if __name__ == "__main__":
    main()
