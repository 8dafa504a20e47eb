"""Baseline dictionaries without training, for comparison with learned ones."""

import numpy as np

from skdict._core import Weights
from skdict._validation import (
    check_finite,
    check_number,
    check_random_state,
    check_rows,
    compute_dtype,
)
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._blocks import (
    check_finite_rows,
    finite_blocks,
    least_squares_gain,
    moments_of,
)
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._frozen import encoding_arrays, freeze


class IdentityDictionary(BaseDictionary):
    """Neuron basis: each dimension of the rows is a feature.

    Codes equal the rows, and decoding returns the codes, so FVU is 0. Codes are signed and dense.

    Attributes
    ----------
    components_ : ndarray of shape (n_features_in_, n_features_in_)
        Identity matrix, in the dtype of the rows: float64 for float64, else float32.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    RandomDictionary : Use random directions instead of the axes.
    TopKDictionary : Keep only the strongest codes of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> X = np.array([[1.0, -2.0], [0.0, 3.0]])
    >>> bool((IdentityDictionary().fit_transform(X) == X).all())
    True
    """

    def fit(self, X, y=None):
        """Store the width of the rows; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        IdentityDictionary
            The fitted estimator.

        Raises
        ------
        ValueError
            If X contains NaN or infinity.
        TypeError
            If X is sparse.
        """
        with width_restored_on_error(self):
            X = check_rows(self, X, reset=True)
            check_finite_rows(X)
        self.components_ = np.eye(X.shape[1], dtype=compute_dtype(X))
        return self

    def _encode(self, X):
        return check_finite(np.array(X, dtype=compute_dtype(X)), 0)

    def _decode(self, codes):
        return codes.copy() if isinstance(codes, np.ndarray) else codes.toarray()


class RandomDictionary(BaseDictionary):
    r"""Dictionary of random unit directions, with rectified projections as codes.

    .. math:: c = \max((x - \mu) R^T, 0), \qquad \hat x = \mu + g \, c R

    The rows of R are drawn uniformly from the unit sphere. The gain g is a single factor that
    minimises the squared error over the training rows. Without it, sums of many overlapping
    directions would overshoot, and the baseline would be too easy to beat.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of directions. None means 4 times the width of the rows.
    random_state : int, RandomState instance or None, default=None
        Seed for drawing the directions. Pass an int for reproducible results across calls.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        Unit directions R, without the gain.
    mean_ : ndarray of shape (n_features_in_,)
        Mean of the training rows, subtracted before encoding and added after decoding.
    gain_ : float
        Factor g applied in decoding; 1 if all codes are zero.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    IdentityDictionary : Use the axes instead of random directions.
    TopKDictionary : Keep only the strongest codes of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import RandomDictionary
    >>> X = np.random.default_rng(0).standard_normal((200, 8))
    >>> 0 < RandomDictionary(32, random_state=0).fit(X).score(X) < 1
    True
    """

    def __init__(self, n_components=None, *, random_state=None):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the directions, and fit mean and gain to the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        RandomDictionary
            The fitted estimator.

        Raises
        ------
        ValueError
            If `n_components` is not positive or X contains NaN or infinity.
        TypeError
            If a parameter has the wrong type or X is sparse.
        """
        if self.n_components is not None:
            check_number("n_components", self.n_components, low=1, integer=True)
        with width_restored_on_error(self):
            X = check_rows(self, X, reset=True)
            moments = moments_of(X)
        width, dtype = X.shape[1], compute_dtype(X)
        shape = (4 * width if self.n_components is None else self.n_components, width)
        directions = check_random_state(self.random_state).standard_normal(shape)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        self.components_ = directions.astype(dtype)
        self.mean_ = moments.mean.astype(dtype)
        self.gain_ = least_squares_gain(self._reconstructions(X))
        return self

    def _reconstructions(self, X):
        """Yield blocks of centred rows with their reconstructions before the gain."""
        for _, block in finite_blocks(X):
            centred = block - self.mean_
            yield centred, np.maximum(centred @ self.components_.T, 0) @ self.components_

    def _encode(self, X):
        dictionary = freeze(self._weights(), compute_dtype(X), "cpu")
        return encode_rows(dictionary, X, sparse_output=False)

    def _encoding_arrays(self):
        return encoding_arrays(self._weights())

    def _weights(self):
        bias = np.zeros_like(self.components_[:, 0])
        return Weights(self.components_, self.components_, bias, self.mean_, scale=1.0)

    def _decode(self, codes):
        return decode_rows(codes, self.gain_ * self.components_, self.mean_)
