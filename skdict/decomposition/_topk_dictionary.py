"""Any dictionary, cut to its strongest codes on each row."""

import numpy as np
import scipy.sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skdict._core import iter_blocks
from skdict._validation import (
    check_choice,
    check_flag,
    check_number,
    check_rows,
    compute_dtype,
    is_fitted,
    told,
)
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._codes import check_finite_rows, decode_rows
from skdict.decomposition._contract import dictionary_atoms, dictionary_offset


class TopKDictionary(BaseDictionary):
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
        check_choice("prefit", self.prefit, ("auto", True, False))
        for name in ("split_sign", "gain"):
            check_flag(name, getattr(self, name))
        with width_restored_on_error(self):
            X = check_rows(self, X, reset=True)
            check_finite_rows(X)
            dictionary = self._fitted_dictionary(X)
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
        self.gain_ = self._least_squares_gain(X) if self.gain else 1.0
        self.components_ *= self.components_.dtype.type(self.gain_)
        return self

    def _encode(self, X):
        parts = []
        for _, block in iter_blocks(X):
            block = block.astype(compute_dtype(X), copy=False)
            codes = self.dictionary_.transform(block)
            codes = codes if scipy.sparse.issparse(codes) else np.asarray(codes)
            if self.split_sign:
                codes = _split_signs(codes)
            parts.append(scipy.sparse.csr_array(keep_strongest(codes, self.k, self._lengths)))
        return scipy.sparse.vstack(parts, format="csr")

    def _decode(self, codes):
        return decode_rows(codes, self.components_, self.offset_)

    def __sklearn_clone__(self):
        # A plain clone would unfit a fitted dictionary, and a search would fit it again.
        params = self.get_params(deep=False)
        if self.prefit is False or not is_fitted(self.dictionary):
            params["dictionary"] = clone(self.dictionary)
        return type(self)(**params)

    def _fitted_dictionary(self, X):
        if self.prefit is True:
            check_is_fitted(self.dictionary)
        if self.prefit is not False and is_fitted(self.dictionary):
            return self.dictionary
        return clone(self.dictionary).fit(X)

    def _least_squares_gain(self, X):
        """Return the factor that minimises the squared error of the decoded rows."""
        product = norm = 0.0
        for _, block in iter_blocks(X):
            rebuilt = self._encode(block) @ self.components_
            product += float(np.vdot(rebuilt, block - self.offset_))
            norm += float(np.vdot(rebuilt, rebuilt))
        return product / norm if norm else 1.0


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
