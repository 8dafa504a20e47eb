"""Erase a concept from activations so that no linear classifier can recover it."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from skdict._validation import as_host_array, check_choice

METHODS = ("leace", "orthogonal")
SMALLEST = 1e-12


class LEACE(TransformerMixin, BaseEstimator):
    r"""Least-squares concept erasure: the smallest affine edit that leaves no linear trace.

    With :math:`\mu` and :math:`\Sigma` the mean and covariance of the rows, :math:`\Sigma_{xz}` the
    cross-covariance of rows and concept, W the pseudo-inverse square root of :math:`\Sigma` and u
    the left singular vectors of :math:`W \Sigma_{xz}`, a row is erased by

    .. math:: r(x) = x - W^+ u u^T W (x - \mu).

    Erased rows have zero covariance with the concept, so on the fitted rows no linear classifier
    does better than a constant prediction. Of all affine maps with this property, LEACE changes the
    rows least, as measured by :math:`E \|r(x) - x\|^2`. The mean is preserved, and erasing twice
    equals erasing once. A nonlinear classifier or a later block of the model may still recover the
    concept.

    A fitted LEACE is an edit: pass it to `intervene` to erase the concept inside a running model.

    Parameters
    ----------
    method : {"leace", "orthogonal"}, default="leace"
        Erasure method. "leace" makes the smallest edit. "orthogonal" replaces W by the identity:
        rows are projected along the columns of :math:`\Sigma_{xz}`, which for two classes is the
        difference of the class means (mean projection). It also removes all covariance with the
        concept, but the edit is larger.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features_in_,)
        Mean of the fitted rows.
    readout_ : ndarray of shape (rank, n_features_in_)
        Directions that read the concept from a row, :math:`u^T W`. The rank is the number of
        classes minus 1, or the number of independent columns of a numeric concept.
    directions_ : ndarray of shape (rank, n_features_in_)
        Directions subtracted in proportion to the values read, :math:`(W^+ u)^T`.
    classes_ : ndarray or None
        Classes of a categorical concept; None for a numeric concept.
    n_samples_seen_ : int
        Number of fitted rows.
    n_features_in_ : int
        Width of the fitted rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Defined only if the fitted rows had column names.

    See Also
    --------
    FeatureEraser : Erase a concept through features of a dictionary.
    intervene : Apply a fitted eraser to a running model.

    Notes
    -----
    The edit is smallest for rows like the fitted ones. Along directions in which those hardly vary,
    W is large, and rows unlike them may change a lot. Fit on many, varied rows.

    References
    ----------
    Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff and Biderman (2023), "LEACE: Perfect
    linear concept erasure in closed form".

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.interventions import LEACE
    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(2, size=200)
    >>> X = rng.standard_normal((200, 5)) + np.outer(z, [3, 0, 1, 0, 0])
    >>> erased = LEACE().fit_transform(X, z)
    >>> bool(np.allclose(erased[z == 0].mean(axis=0), erased[z == 1].mean(axis=0)))
    True
    """

    def __init__(self, method="leace"):
        self.method = method

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X, y):
        """Fit the eraser to rows and the concept to erase.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Activations.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Concept to erase: one class per row, or numbers.

        Returns
        -------
        LEACE
            The fitted eraser.

        Raises
        ------
        ValueError
            If X and y differ in length, X or y contains NaN or infinity, or y holds only one class.
        """
        for name in ("_sums", "classes_"):
            self.__dict__.pop(name, None)
        self._add(X, y, reset=True)
        if self.classes_ is not None and len(self.classes_) < 2:
            raise ValueError(
                f"y holds only one class, {self.classes_[0]!r}, so there is nothing to erase; "
                f"pass rows of at least two classes"
            )
        return self._solve()

    def partial_fit(self, X, y):
        """Update the eraser with more rows; new classes may appear in any call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Activations.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            Concept to erase: one class per row, or numbers; the same kind in every call.

        Returns
        -------
        LEACE
            The updated eraser.

        Raises
        ------
        ValueError
            If X and y differ in length, X or y contains NaN or infinity, or y differs from earlier
            calls in kind or number of columns.
        """
        self._add(X, y, reset=not hasattr(self, "_sums"))
        return self._solve()

    def transform(self, X):
        """Erase the concept from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Activations.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Erased rows in the dtype of X, computed in float64.

        Raises
        ------
        NotFittedError
            If the eraser is not fitted.
        ValueError
            If X differs in width from the fitted rows, or contains NaN or infinity.
        """
        check_is_fitted(self)
        X = validate_data(self, as_host_array(X), reset=False, dtype=(np.float64, np.float32))
        read = (X.astype(np.float64) - self.mean_) @ self.readout_.T
        return (X - read @ self.directions_).astype(X.dtype)

    def _add(self, X, z, *, reset):
        """Update the running sums of products about the mean, in float64."""
        check_choice("method", self.method, METHODS)
        if z is None:
            raise ValueError("LEACE requires y to be passed, but the target y is None")
        X, z = as_host_array(X), as_host_array(z)
        X, z = validate_data(
            self, X, z, reset=reset, multi_output=True, dtype=(np.float64, np.float32)
        )
        X, columns = X.astype(np.float64), self._columns(z)
        if not hasattr(self, "_sums"):
            self._sums = CrossMoments(X.shape[1])
        self._sums.add(X, columns)

    def _columns(self, z):
        """Return the concept as numbers, with one indicator column for each class seen so far."""
        of_classes = z.ndim == 1 and type_of_target(z) in ("binary", "multiclass")
        known = getattr(self, "classes_", np.array([], dtype=z.dtype) if of_classes else None)
        if (known is not None) != of_classes:
            raise ValueError(
                f"y holds {'classes' if of_classes else 'numbers'} but earlier calls had "
                f"{'numbers' if of_classes else 'classes'}; pass one kind"
            )
        if not of_classes:
            self.classes_, z = None, z.reshape(len(z), -1).astype(np.float64)
            if hasattr(self, "_sums") and z.shape[1] != len(self._sums.mean_z):
                raise ValueError(
                    f"y has {z.shape[1]} columns but earlier calls had {len(self._sums.mean_z)}; "
                    f"pass the same columns in every call"
                )
            return z
        # Append new classes, so that the columns of the running sums keep their order.
        new = np.setdiff1d(z, known)
        self.classes_ = np.concatenate([known, new]) if len(known) else new
        return (z[:, None] == self.classes_).astype(np.float64)

    def _solve(self):
        sums = self._sums
        self.mean_, self.n_samples_seen_ = sums.mean_x.copy(), sums.n
        cross = sums.products_xz / sums.n
        if self.classes_ is not None:
            # The indicator columns sum to 1, so the last one is redundant.
            cross = cross[:, :-1]
        if self.method == "orthogonal":
            self.readout_ = self.directions_ = _left_singular(cross).T
            return self
        values, vectors = np.linalg.eigh(sums.products_xx / sums.n)
        real = values > len(values) * np.finfo(np.float64).eps * max(values.max(), 0)
        roots, vectors = np.sqrt(values[real]), vectors[:, real]
        u = _left_singular((vectors.T @ cross) / roots[:, None])
        self.readout_ = (u / roots[:, None]).T @ vectors.T
        self.directions_ = (u * roots[:, None]).T @ vectors.T
        return self


class CrossMoments:
    """Running means of rows and concept columns, and their products about the means.

    Parameters
    ----------
    width : int
        Width of the rows.
    """

    def __init__(self, width):
        self.n, self.mean_x, self.mean_z = 0, np.zeros(width), np.zeros(0)
        self.products_xx, self.products_xz = np.zeros((width, width)), np.zeros((width, 0))

    def add(self, X, Z):
        """Update with float64 rows (n, width) and their concept columns (n, k).

        k may grow between calls; the new columns are zero for earlier rows.
        """
        grown = Z.shape[1] - len(self.mean_z)
        self.mean_z = np.append(self.mean_z, np.zeros(grown))
        self.products_xz = np.pad(self.products_xz, ((0, 0), (0, grown)))
        mean_x, mean_z = X.mean(axis=0), Z.mean(axis=0)
        total = self.n + len(X)
        apart_x, apart_z = mean_x - self.mean_x, mean_z - self.mean_z
        weight = self.n * len(X) / total
        self.products_xx += (X - mean_x).T @ (X - mean_x) + weight * np.outer(apart_x, apart_x)
        self.products_xz += (X - mean_x).T @ (Z - mean_z) + weight * np.outer(apart_x, apart_z)
        self.mean_x += apart_x * len(X) / total
        self.mean_z += apart_z * len(X) / total
        self.n = total


def _left_singular(matrix):
    """Return an orthonormal basis of the column space."""
    if not matrix.size:
        return np.zeros((len(matrix), 0))
    u, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, sizes > SMALLEST * max(sizes.max(), np.finfo(np.float64).tiny)]
