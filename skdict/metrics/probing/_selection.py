"""Select the features whose means differ most between two classes."""

import numpy as np
import scipy.sparse


def select_features(draws, encoded, n_selected):
    r"""Return the features with the largest standardised difference of class means.

    With the means :math:`m_0, m_1` and variances :math:`v_0, v_1` of a feature's codes in the two
    classes of the training samples, features are ranked by

    .. math:: \frac{(m_1 - m_0)^2}{(v_0 + v_1) / 2 + (m_1 - m_0)^2 / 4},

    the squared difference over the variance of a sample with equal classes. It does not depend on
    the sign, scale or offset of a feature, or on the base rate.

    Parameters
    ----------
    draws : list of Draw
        Problems with their samples.
    encoded : EncodedRows or PooledDocuments
        Codes of the samples.
    n_selected : int
        Number of features to select.

    Returns
    -------
    ndarray of int, shape (n_problems, n_selected)
        Features in order of rank; of equal ones, the lower index comes first.
    """
    members = _members(draws, len(encoded.rows))
    sums = np.zeros((2, members.shape[0], encoded.n_components))
    for start, codes in encoded.blocks():
        of_block = members[:, start : start + codes.shape[0]]
        codes = codes.astype(np.float64)
        sums[0] += _dense(of_block @ codes)
        sums[1] += _dense(of_block @ codes**2)
    n = members.sum(axis=1)[:, None]
    mean, square = sums / n
    # Rounding must not turn a constant feature into one of tiny variance.
    variance = np.where(square - mean**2 > 1e-12 * square, square - mean**2, 0)
    difference = (mean[1::2] - mean[::2]) ** 2
    spread = (variance[1::2] + variance[::2]) / 2 + difference / 4
    varies = spread > 1e-12 * (square[1::2] + square[::2])
    rank = np.divide(difference, spread, out=np.zeros_like(difference), where=varies)
    return np.argsort(-rank, axis=1, kind="stable")[:, :n_selected]


def selected_codes(encoded, columns):
    """Return the codes of some columns as a dense array of shape (n_samples, n_columns)."""
    return np.concatenate([_dense(codes[:, columns]) for _, codes in encoded.blocks()])


def _members(draws, n_samples):
    """Return a sparse 0-1 matrix with two rows per problem: training samples of class 0 and 1."""
    rows = [2 * i + draw.problem.targets[draw.train] for i, draw in enumerate(draws)]
    rows, columns = np.concatenate(rows), np.concatenate([draw.train for draw in draws])
    ones = np.ones(len(rows))
    return scipy.sparse.csr_array((ones, (rows, columns)), shape=(2 * len(draws), n_samples))


def _dense(codes):
    return codes.toarray() if scipy.sparse.issparse(codes) else np.asarray(codes)
