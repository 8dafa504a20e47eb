"""Score how well each feature of a dictionary detects a concept."""

import numpy as np
import scipy.sparse
from scipy.stats import rankdata

CHUNK_FEATURES = 256


def auroc_scores(codes, z):
    r"""Return how well the codes of each feature separate one class from the others.

    .. math:: s_j = \max_k |2 \, \mathrm{AUROC}(c_j, z = k) - 1|

    Parameters
    ----------
    codes : ndarray or sparse matrix of shape (n_samples, n_components)
        Codes of the rows.
    z : ndarray of shape (n_samples,)
        Class of each row.

    Returns
    -------
    ndarray of shape (n_components,)
        Scores between 0, chance level, and 1, perfect separation of a class from the others.
    """
    classes = np.unique(z)
    flags = (z[:, None] == classes[: len(classes) - (len(classes) == 2)]).astype(float)
    n_in = flags.sum(axis=0)
    pairs = n_in * (len(z) - n_in)
    scores = []
    for part in _column_blocks(codes):
        ranks = rankdata(part, axis=0)
        wins = flags.T @ ranks - (n_in * (n_in + 1) / 2)[:, None]
        scores.append(np.abs(2 * wins / pairs[:, None] - 1).max(axis=0))
    return np.concatenate(scores)


def t_scores(codes, z):
    """Return the largest absolute Welch's t of each feature between one class and the others.

    Parameters
    ----------
    codes : ndarray or sparse matrix of shape (n_samples, n_components)
        Codes of the rows.
    z : ndarray of shape (n_samples,)
        Class of each row.

    Returns
    -------
    ndarray of shape (n_components,)
        Scores of at least 0; 0 for a feature whose codes do not vary.
    """
    best = np.zeros(codes.shape[1])
    for value in np.unique(z):
        means, errors = [], []
        for part in (codes[z == value], codes[z != value]):
            squares = part.multiply(part) if scipy.sparse.issparse(part) else np.square(part)
            mean = np.asarray(part.mean(axis=0), dtype=np.float64).ravel()
            variance = np.asarray(squares.mean(axis=0), dtype=np.float64).ravel() - mean**2
            means.append(mean)
            errors.append(np.maximum(variance, 0) / max(part.shape[0] - 1, 1))
        error = np.sqrt(errors[0] + errors[1])
        apart = np.abs(means[0] - means[1])
        best = np.maximum(best, np.divide(apart, error, out=np.zeros_like(apart), where=error > 0))
    return best


def _column_blocks(codes):
    codes = codes.tocsc() if scipy.sparse.issparse(codes) else codes
    for start in range(0, codes.shape[1], CHUNK_FEATURES):
        part = codes[:, start : start + CHUNK_FEATURES]
        yield part.toarray() if scipy.sparse.issparse(part) else part
