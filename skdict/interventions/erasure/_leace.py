"""Erasing a concept from activations, so that no linear classifier finds it again."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from skdict._validation import as_host_array, check_choice

METHODS = ("leace", "orthogonal")
SMALLEST = 1e-12


class LEACE(TransformerMixin, BaseEstimator):
    r"""Least-squares concept erasure: the smallest affine edit that leaves a concept no trace.

    With :math:`\Sigma` the covariance of the rows, :math:`\Sigma_{xz}` that of rows and concept,
    W the pseudo-inverse square root of :math:`\Sigma` and u the left singular vectors of
    :math:`W \Sigma_{xz}`,

    .. math:: r(x) = x - W^+ u u^T W (x - \mu).

    Erased rows have no covariance with the concept, so on the rows fitted no linear classifier
    does better than one that knows nothing; of all affine maps of which that is true, this one
    changes rows least, :math:`E \|r(x) - x\|^2`. The mean stays, and erasing twice is erasing
    once. What a nonlinear classifier finds, or a later block of the model, is another matter.

    Parameters
    ----------
    method : {"leace", "orthogonal"}, default="leace"
        "orthogonal" takes W to be the identity: rows are projected along the columns of
        :math:`\Sigma_{xz}`, which for two classes is the difference of their means (mean
        projection). No covariance is left either, but the edit is larger.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features_in_,)
        Mean of the rows.
    readout_ : ndarray of shape (rank, n_features_in_)
        What is read of a row, :math:`u^T W`; rank is the number of classes less 1, or of
        independent columns of the concept.
    directions_ : ndarray of shape (rank, n_features_in_)
        What is taken off for each number read, :math:`(W^+ u)^T`.
    classes_ : ndarray or None
        The classes, where the concept is one; None where it is numbers.
    n_samples_seen_ : int
        Rows fitted.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where the rows had any.

    See Also
    --------
    FeatureEraser : Erases by features of a dictionary.
    intervene : Takes a fitted eraser as an edit of a running model.

    Notes
    -----
    The edit is the least on rows like those fitted. Along directions in which these hardly vary
    W is large, so that rows unlike them may be changed a lot: fit on many and varied rows.

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
        """Learn what to erase.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            The concept: a class for each row, or numbers.

        Returns
        -------
        LEACE
            The estimator itself.

        Raises
        ------
        ValueError
            If X and y differ in length, hold NaN or infinity, or y holds one class alone.
        """
        for name in ("_sums", "classes_"):
            self.__dict__.pop(name, None)
        self._add(X, y, reset=True)
        if self.classes_ is not None and len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class, {self.classes_[0]!r}, so there is nothing to erase; pass "
                f"rows of two classes or more"
            )
        return self._solve()

    def partial_fit(self, X, y):
        """Learn from more rows; classes may turn up later.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_columns)
            The concept: a class for each row, or numbers, of the same kind each time.

        Returns
        -------
        LEACE
            The estimator itself.

        Raises
        ------
        ValueError
            If X and y differ in length or from earlier ones in kind, or hold NaN or infinity.
        """
        self._add(X, y, reset=not hasattr(self, "_sums"))
        return self._solve()

    def transform(self, X):
        """Erase the concept from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Erased rows, in the dtype of X; computed in float64.

        Raises
        ------
        NotFittedError
            If nothing has been fitted.
        ValueError
            If X is of another width, or holds NaN or infinity.
        """
        check_is_fitted(self)
        X = validate_data(self, as_host_array(X), reset=False, dtype=(np.float64, np.float32))
        read = (X.astype(np.float64) - self.mean_) @ self.readout_.T
        return (X - read @ self.directions_).astype(X.dtype)

    def _add(self, X, z, *, reset):
        """Add rows to the running sums of products about the mean, in float64."""
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
        """Return the concept as numbers, one column for each class seen so far."""
        of_classes = z.ndim == 1 and type_of_target(z) in ("binary", "multiclass")
        known = getattr(self, "classes_", np.array([], dtype=z.dtype) if of_classes else None)
        if (known is not None) != of_classes:
            raise ValueError(
                f"y holds {'classes' if of_classes else 'numbers'}, and earlier rows had the "
                f"other; pass one kind"
            )
        if not of_classes:
            self.classes_, z = None, z.reshape(len(z), -1).astype(np.float64)
            if hasattr(self, "_sums") and z.shape[1] != len(self._sums.mean_z):
                raise ValueError(
                    f"y has {z.shape[1]} columns, and earlier rows had {len(self._sums.mean_z)}; "
                    f"pass as many"
                )
            return z
        # New classes go behind those known, as the sums are by column.
        new = np.setdiff1d(z, known)
        self.classes_ = np.concatenate([known, new]) if len(known) else new
        return (z[:, None] == self.classes_).astype(np.float64)

    def _solve(self):
        sums = self._sums
        self.mean_, self.n_samples_seen_ = sums.mean_x.copy(), sums.n
        cross = sums.products_xz / sums.n
        if self.classes_ is not None:
            # The columns of all classes sum to 1, so one of them tells nothing new.
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
    """Running means of rows and of columns that go with them, and products about the means.

    Parameters
    ----------
    width : int
        Width of the rows.
    """

    def __init__(self, width):
        self.n, self.mean_x, self.mean_z = 0, np.zeros(width), np.zeros(0)
        self.products_xx, self.products_xz = np.zeros((width, width)), np.zeros((width, 0))

    def add(self, X, Z):
        """Add float64 rows (n, width) and their columns (n, k); k may grow, with zeros before."""
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
