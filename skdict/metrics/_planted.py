"""Measure a dictionary against the planted features of synthetic rows."""

import numpy as np
import scipy.sparse
from scipy.optimize import linear_sum_assignment

from skdict.decomposition import dictionary_atoms, encode_blocks
from skdict.metrics._similarity import unit_rows

RECOVERED = 0.9
CHANCE_STREAM = 1


class PlantedFeatures:
    """Scorer of dictionaries against planted features, see `synthetic_benchmark`.

    Parameters
    ----------
    data : Bunch
        Planted features, see `make_sparse_features`.
    test : slice
        Rows of `data` that the dictionaries are measured on.
    shift : ndarray of shape (n_features,)
        Offset that was subtracted from the rows before they were passed to the dictionaries.
    seed : int
        Seed for the random directions that give the chance level.
    """

    def __init__(self, data, test, shift, seed):
        (self.truth,) = unit_rows(data.components)
        self.fired = _positive(data.codes[test])
        self.parents = np.asarray(data.parents)
        self.pull = _co_firing(data.codes) @ self.truth
        self.shift, self.seed = shift, seed

    def __call__(self, dictionary, X):
        """Return the mean cosine of the best one-to-one matching with the planted features."""
        return self.measure(dictionary, X)["mcc"]

    def measure(self, dictionary, X):
        """Return the measures of a fitted dictionary on the test rows, by name."""
        (directions,) = unit_rows(dictionary_atoms(dictionary))
        cosines = directions @ self.truth.T
        strength = np.abs(cosines)
        # A stream of its own: the planted directions may have been drawn from the same seed.
        rng = np.random.default_rng([self.seed, CHANCE_STREAM])
        (noise,) = unit_rows(rng.standard_normal(directions.shape))
        nearest = strength.argmax(axis=1)
        signs = np.sign(cosines[np.arange(len(nearest)), nearest])
        fired, shrinkage = self._encode(dictionary, X, signs)
        measures = {
            "mcc": _matched(strength)[0].mean(),
            "mcc_random": _matched(np.abs(noise @ self.truth.T))[0].mean(),
            "recovery": (strength.max(axis=0) >= RECOVERED).mean(),
            "recovery_back": (strength.max(axis=1) >= RECOVERED).mean(),
            "uniqueness": len(np.unique(nearest)) / len(nearest),
            **self._firing(fired, nearest),
            "shrinkage": shrinkage,
            "hedging": self._hedging(directions, cosines),
        }
        if (self.parents >= 0).any():
            measures["absorption"] = self._absorption(fired, strength)
        return {name: float(value) for name, value in measures.items()}

    def _encode(self, dictionary, X, signs):
        """Return where each feature fires with the sign of its match, and the shrinkage."""
        fired, norms = [], np.zeros(2)
        for _, rows, codes in encode_blocks(dictionary, X):
            rebuilt = np.asarray(dictionary.inverse_transform(codes)) + self.shift
            pair = (rebuilt, rows + self.shift)
            norms += [np.linalg.norm(of_rows, axis=1).sum(dtype=np.float64) for of_rows in pair]
            # Codes of negated directions count where they are negative.
            fired.append(_positive(scipy.sparse.csr_array(codes) @ scipy.sparse.diags_array(signs)))
        return scipy.sparse.vstack(fired, format="csr"), norms[0] / norms[1]

    def _firing(self, fired, nearest):
        """Return mean precision, recall and F1 of the features that fire."""
        together = (fired.T @ self.fired).toarray()[np.arange(len(nearest)), nearest]
        predicted, true = _counts(fired), _counts(self.fired)[nearest]
        alive = predicted > 0
        if not alive.any():
            return dict.fromkeys(("precision", "recall", "f1"), 0.0)
        together, predicted, true = together[alive], predicted[alive], true[alive]
        return {
            "precision": (together / predicted).mean(),
            "recall": (together / np.maximum(true, 1)).mean(),
            "f1": (2 * together / (predicted + true)).mean(),
        }

    def _hedging(self, directions, cosines):
        """Return the regression coefficient of directions on the pull of co-firing features."""
        _, learned, planted = _matched(np.abs(cosines))
        cosine, truth, pull = cosines[learned, planted], self.truth[planted], self.pull[planted]
        along = (pull * truth).sum(axis=1)
        known = along > 0
        residual = (directions[learned] - cosine[:, None] * truth)[known]
        predicted = (pull - along[:, None] * truth)[known]
        predicted *= (cosine[known] / along[known])[:, None]
        size = np.square(predicted).sum()
        return (residual * predicted).sum() / size if size else np.nan

    def _absorption(self, fired, strength):
        """Return how much more often parents are silent where a child of theirs fires."""
        rates = []
        for parent in np.unique(self.parents[self.parents >= 0]):
            silent = ~_column(fired, strength[:, parent].argmax())
            present = _column(self.fired, parent)
            children = np.flatnonzero(self.parents == parent)
            child = _counts(self.fired[:, children].T) > 0
            shares = [silent[present & child], silent[present & ~child]]
            if all(len(share) for share in shares):
                rates.append(shares[0].mean() - shares[1].mean())
        return np.mean(rates) if rates else np.nan


def _matched(strength):
    """Return the cosines of the best one-to-one matching, and the rows and columns it pairs."""
    rows, columns = linear_sum_assignment(strength, maximize=True)
    return strength[rows, columns], rows, columns


def _co_firing(codes):
    """Return how much the mean codes change where each feature fires, of shape (k, k)."""
    codes = scipy.sparse.csr_array(codes, dtype=np.float64)
    fired = _positive(codes)
    counts = np.maximum(_counts(fired), 1)[:, None]
    changes = (fired.T @ codes).toarray() / counts - codes.mean(axis=0)
    # A feature that never fires has no rows to measure the change on.
    changes[_counts(fired) == 0] = 0
    return changes


def _positive(codes):
    """Return 1 where codes are positive, as a sparse array without explicit zeros."""
    return scipy.sparse.csr_array(scipy.sparse.csr_array(codes) > 0, dtype=np.float64)


def _counts(fired):
    return np.asarray(fired.sum(axis=0)).ravel()


def _column(fired, index):
    return fired[:, [index]].toarray().ravel() > 0
