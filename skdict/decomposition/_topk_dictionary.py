"""Any dictionary, cut to its strongest codes on each row."""

import numpy as np
import scipy.sparse

from skdict._validation import check_flag, check_number, check_rows, compute_dtype, told
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._blocks import check_finite_rows, encode_blocks, least_squares_gain
from skdict.decomposition._codes import decode_rows
from skdict.decomposition._contract import dictionary_atoms, dictionary_offset
from skdict.decomposition._prefit import KeepFittedDictionary, check_prefit, fit_or_use


class TopKDictionary(KeepFittedDictionary, BaseDictionary):
    r"""Any dictionary, cut to the k strongest codes of each row.

    Codes are ranked by :math:`|c_j| \, \|a_j\|`, what each adds to the row, with :math:`a_j` the
    atom that code j is decoded along. So methods with dense or signed codes (PCA, FastICA,
    random projections) compare with a sparse dictionary at equal L0.

    Parameters
    ----------
    dictionary : estimator
        With `components_`, `transform` and `inverse_transform` once fitted; a Pipeline may
        end in one.
    k : int
        Most codes of a row that are kept. It has to be given; None is refused by `fit`.
    split_sign : bool, default=False
        Whether each axis becomes two features, its positive and its negative part.
    gain : bool, default=False
        Whether decoding is scaled by one factor, fitted by least squares, which makes up for
        what is cut, or for directions that overlap.
    prefit : {"auto", True, False}, default="auto"
        Whether the dictionary is used as it is. "auto" uses a fitted one and fits a clone of
        an unfitted one.

    Attributes
    ----------
    dictionary_ : estimator
        The fitted dictionary.
    components_ : ndarray of shape (n_components, n_features_in_)
        The atoms, with the gain; with `split_sign`, followed by their opposites.
    offset_ : ndarray of shape (n_features_in_,)
        What no code at all decodes to.
    gain_ : float
        The factor; 1 with ``gain=False``.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where the rows had any.

    See Also
    --------
    skdict.metrics.compare_dictionaries : Dictionaries side by side, cut alike.

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
        """Fit the dictionary unless it is fitted; recover its atoms; fit the gain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        TopKDictionary
            The estimator itself.

        Raises
        ------
        ValueError
            If `k` is not positive, X is not finite or has another width than a fitted
            dictionary, or the dictionary does not decode by a sum of atoms.
        TypeError
            If the estimator is no dictionary, a parameter is of the wrong kind or X is sparse.
        """
        _check_dictionary(self.dictionary)
        check_number("k", self.k, low=1, integer=True, hint="the codes of a row to keep")
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
                    f"X has {X.shape[1]} columns and the fitted dictionary decodes to "
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
        """Yield blocks of rows and the codes that are kept of them, in CSR."""
        for _, block, codes in encode_blocks(self.dictionary_, X):
            codes = _split_signs(codes) if self.split_sign else codes
            yield block, scipy.sparse.csr_array(keep_strongest(codes, self.k, self._lengths))

    def _reconstructions(self, X):
        """Yield blocks of centred rows, and what they are rebuilt to without the gain."""
        for block, codes in self._strongest(X):
            yield block - self.offset_, codes @ self.components_

    def _decode(self, codes):
        return decode_rows(codes, self.components_, self.offset_)


def _check_dictionary(dictionary):
    """Refuse what cannot become a dictionary (`TypeError`)."""
    if isinstance(dictionary, type) or not hasattr(dictionary, "fit"):
        raise TypeError(
            f"{told('dictionary', dictionary)}: pass an estimator with components_, transform and "
            f"inverse_transform once fitted, such as PCA(), and k as the second argument, as in "
            f"TopKDictionary(PCA(), k=8)"
        )


def _split_signs(codes):
    """Return the positive parts of codes, followed by their negative parts."""
    if scipy.sparse.issparse(codes):
        return scipy.sparse.hstack([codes.maximum(0), (-codes).maximum(0)], format="csr")
    return np.concatenate([np.maximum(codes, 0), np.maximum(-codes, 0)], axis=1)


def keep_strongest(codes, k, lengths):
    """Return codes with the k strongest of each row, by |code| times atom length."""
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
