"""Restrict any dictionary to its strongest codes on each row."""

import numpy as np
import scipy.sparse

from skdict._validation import check_flag, check_number, check_rows, compute_dtype, told
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._blocks import check_finite_rows, encode_blocks, least_squares_gain
from skdict.decomposition._codes import decode_rows
from skdict.decomposition._contract import (
    check_reconstructs_rows,
    dictionary_atoms,
    dictionary_offset,
)
from skdict.decomposition._prefit import KeepFittedDictionary, check_prefit, fit_or_use


class TopKDictionary(KeepFittedDictionary, BaseDictionary):
    r"""Any dictionary, restricted to the k strongest codes of each row.

    .. math::
        c = \mathrm{top}_k(\tilde c), \qquad \hat x = \nu + g \sum_j c_j a_j,

    where :math:`\tilde c` are the codes of the given dictionary, :math:`a_j` its decoder directions
    and :math:`\nu` its offset. The k codes with the largest :math:`|\tilde c_j| \, \|a_j\|`, the
    norm of their contribution to the reconstruction, are kept; the others are set to zero. Methods
    with dense or signed codes (PCA, FastICA, random projections) can thus be compared with a sparse
    dictionary at equal L0.

    Parameters
    ----------
    dictionary : estimator
        Estimator with `components_`, `transform` and `inverse_transform` once fitted, or a Pipeline
        that ends in one.
    k : int
        Maximum number of active codes per row. It is required: `fit` rejects None.
    split_sign : bool, default=False
        If True, split each signed code into two features, its positive and its negative part.
    gain : bool, default=False
        If True, scale decoding by a factor g fitted by least squares, which compensates for dropped
        codes and for overlapping directions. If False, g is 1.
    prefit : {"auto", True, False}, default="auto"
        "auto" uses a fitted dictionary as it is and fits a clone of an unfitted one. True requires
        a fitted dictionary. False always fits a clone.

    Attributes
    ----------
    dictionary_ : estimator
        Fitted dictionary whose codes are restricted.
    components_ : ndarray of shape (n_components, n_features_in_)
        Decoder directions, multiplied by the gain; with `split_sign`, followed by their negatives.
    offset_ : ndarray of shape (n_features_in_,)
        Reconstruction of a row whose codes are all zero.
    gain_ : float
        Factor g, already applied to `components_`; 1 with ``gain=False``.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    skdict.metrics.compare_dictionaries : Compare dictionaries at equal L0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import TopKDictionary
    >>> X = np.random.default_rng(0).standard_normal((100, 6))
    >>> codes = TopKDictionary(PCA(), k=2).fit_transform(X)
    >>> codes.shape, codes.nnz
    ((100, 6), 200)
    """

    def __init__(self, dictionary, k=None, *, split_sign=False, gain=False, prefit="auto"):
        self.dictionary = dictionary
        self.k = k
        self.split_sign = split_sign
        self.gain = gain
        self.prefit = prefit

    def fit(self, X, y=None):
        """Fit the dictionary unless it is fitted already, and fit the gain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        TopKDictionary
            The fitted estimator.

        Raises
        ------
        NotFittedError
            If `prefit` is True and the dictionary is not fitted.
        ValueError
            If `k` is not positive, X contains NaN or infinity or has another width than a fitted
            dictionary, the dictionary does not decode by a sum of atoms, or it is a transcoder.
        TypeError
            If the estimator is not a dictionary, a parameter has the wrong type or X is sparse.
        """
        _check_dictionary(self.dictionary)
        check_number("k", self.k, low=1, integer=True, hint="the number of codes to keep per row")
        check_prefit(self.prefit)
        for name in ("split_sign", "gain"):
            check_flag(name, getattr(self, name))
        with width_restored_on_error(self):
            X = check_rows(self, X, reset=True)
            check_finite_rows(X)
            dictionary = fit_or_use(self.dictionary, X, prefit=self.prefit)
            atoms, offset = dictionary_atoms(dictionary), dictionary_offset(dictionary)
            if atoms.shape[1] != X.shape[1]:
                raise ValueError(
                    f"X has {X.shape[1]} columns but the fitted dictionary decodes to "
                    f"{atoms.shape[1]}; pass rows of that width, or an unfitted dictionary"
                )
        dtype = compute_dtype(X)
        self.dictionary_, self.offset_ = dictionary, offset.astype(dtype)
        self.components_ = np.concatenate([atoms, -atoms]) if self.split_sign else atoms
        self.components_ = self.components_.astype(dtype)
        self._lengths = np.linalg.norm(self.components_, axis=1)
        self.gain_ = least_squares_gain(self._reconstructions(X)) if self.gain else 1.0
        self.components_ *= self.components_.dtype.type(self.gain_)
        return self

    def _encode(self, X):
        return scipy.sparse.vstack([codes for _, codes in self._strongest(X)], format="csr")

    def _strongest(self, X):
        """Yield blocks of rows with their strongest codes as CSR arrays."""
        for _, block, codes in encode_blocks(self.dictionary_, X):
            codes = split_signs(codes) if self.split_sign else codes
            yield block, scipy.sparse.csr_array(keep_strongest(codes, self.k, self._lengths))

    def _reconstructions(self, X):
        """Yield blocks of centred rows with their reconstructions before the gain."""
        for block, codes in self._strongest(X):
            yield block - self.offset_, codes @ self.components_

    def _decode(self, codes):
        return decode_rows(codes, self.components_, self.offset_)


def _check_dictionary(dictionary):
    """Raise an error if an object cannot be fitted as a dictionary that reconstructs rows."""
    if isinstance(dictionary, type) or not hasattr(dictionary, "fit"):
        raise TypeError(
            f"{told('dictionary', dictionary)}: pass an estimator that has components_, transform "
            f"and inverse_transform once fitted, such as PCA(), and k as the second argument, as "
            f"in TopKDictionary(PCA(), k=8)"
        )
    check_reconstructs_rows(dictionary)


def split_signs(codes):
    """Return the positive parts of codes, followed by their negative parts."""
    if scipy.sparse.issparse(codes):
        return scipy.sparse.hstack([codes.maximum(0), (-codes).maximum(0)], format="csr")
    return np.concatenate([np.maximum(codes, 0), np.maximum(-codes, 0)], axis=1)


def keep_strongest(codes, k, lengths):
    """Return codes with all but the k strongest of each row, by |code| times atom length, zero."""
    if scipy.sparse.issparse(codes):
        return _keep_strongest_sparse(scipy.sparse.csr_array(codes), k, lengths)
    kept = np.zeros_like(codes)
    k = min(k, codes.shape[1])
    strongest = np.argpartition(-np.abs(codes) * lengths, k - 1, axis=1)[:, :k]
    np.put_along_axis(kept, strongest, np.take_along_axis(codes, strongest, axis=1), axis=1)
    return kept


def _keep_strongest_sparse(codes, k, lengths):
    strength = np.abs(codes.data) * lengths[codes.indices]
    row_lengths = np.diff(codes.indptr)
    rows = np.repeat(np.arange(codes.shape[0]), row_lengths)
    order = np.lexsort((-strength, rows))
    rank = np.arange(codes.nnz) - codes.indptr[rows]
    kept = np.sort(order[rank < k])
    pointers = np.concatenate([[0], np.cumsum(np.minimum(row_lengths, k))])
    parts = codes.data[kept], codes.indices[kept], pointers
    return scipy.sparse.csr_array(parts, shape=codes.shape)
