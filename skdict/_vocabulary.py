"""The text of every token id, with a direction for each.

Floor 0: imports the standard library and numpy only.
"""

from collections.abc import Sequence

import numpy as np

# Rounding to float16 changes the norm of a unit row by less than this.
ROUNDING = 2**-10


class Vocabulary(Sequence):
    """Text of every token id, optionally with a vector for each.

    An immutable sequence of str, indexed by token id. It is equal to any other sequence of the
    same pieces, such as a list; the vectors are not compared.

    Parameters
    ----------
    pieces : sequence of str
        Text of each token id, as for the `vocabulary` of `Activations`.
    vectors : array-like of shape (n_pieces, n_dimensions), floating, or None, default=None
        Vector of each token id. Tokens with similar vectors are used in similar ways. Only the
        directions count: each row is scaled to unit norm and stored in float16, and rows of zeros
        stay zero.

    Attributes
    ----------
    vectors : ndarray of shape (n_pieces, n_dimensions), float16, or None
        The vectors, read-only. `ActivationExtractor` takes them from the input embedding of the
        model: the mean over all tokens is subtracted, and the embedding is reduced by PCA to at
        most 128 dimensions. Token ids without an embedding have rows of zeros. None if the model
        has no readable input embedding.

    Raises
    ------
    TypeError
        If `pieces` is not a sequence of str, or `vectors` is not floating.
    ValueError
        If `vectors` is not two-dimensional, does not have one row for each piece, or is not
        finite.

    See Also
    --------
    Activations : Rows of tokens, which carry a vocabulary.

    Examples
    --------
    >>> from skdict.activations import Vocabulary
    >>> vocabulary = Vocabulary([" cat", " dog"], vectors=[[3.0, 4.0], [0.0, 2.0]])
    >>> vocabulary
    Vocabulary(2 pieces, vectors of 2 dimensions)
    >>> vocabulary[1], vocabulary == [" cat", " dog"]
    (' dog', True)
    >>> vocabulary.vectors.astype(float).round(2)
    array([[0.6, 0.8],
           [0. , 1. ]])
    """

    __slots__ = ("_pieces", "_vectors")

    def __init__(self, pieces, vectors=None):
        if isinstance(pieces, (str, bytes)) or not isinstance(pieces, Sequence):
            raise TypeError(
                f"pieces is {type(pieces).__name__}; pass a list with the text of each token id"
            )
        self._pieces = tuple(pieces)
        if not {*map(type, self._pieces)} <= {str}:
            number = next(i for i, piece in enumerate(self._pieces) if type(piece) is not str)
            raise TypeError(
                f"pieces[{number}] is {type(self._pieces[number]).__name__}; pass a list with the "
                f"text of each token id"
            )
        self._vectors = None if vectors is None else _unit_rows(vectors, len(self._pieces))

    @property
    def vectors(self):
        """Vector of each token id, shape (n_pieces, n_dimensions), or None."""
        return self._vectors

    def __len__(self):
        return len(self._pieces)

    def __iter__(self):
        return iter(self._pieces)

    def __getitem__(self, key):
        if not isinstance(key, slice):
            return self._pieces[key]
        return Vocabulary(self._pieces[key], None if self.vectors is None else self.vectors[key])

    def __eq__(self, other):
        if self is other:
            return True
        if isinstance(other, (str, bytes)) or not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and self._pieces == tuple(other)

    def __hash__(self):
        return hash(self._pieces)

    def __repr__(self):
        n_dimensions = None if self.vectors is None else self.vectors.shape[1]
        shown = "" if n_dimensions is None else f", vectors of {n_dimensions} dimensions"
        return f"Vocabulary({len(self)} pieces{shown})"

    def __reduce__(self):
        return Vocabulary, (self._pieces, self._vectors)


def _unit_rows(vectors, n_pieces):
    """Return vectors with rows of unit norm, in float16 and read-only."""
    given = np.asarray(vectors)
    if given.dtype.kind != "f":
        raise TypeError(
            f"vectors has dtype {given.dtype}; pass an array of float16, float32 or float64"
        )
    if given.ndim != 2 or len(given) != n_pieces or given.shape[1] == 0:
        raise ValueError(
            f"vectors has shape {given.shape}; pass a two-dimensional array with {n_pieces} rows, "
            f"one for each piece, and at least one column"
        )
    rows = given.astype(np.promote_types(given.dtype, np.float32))
    peaks = np.abs(rows).max(axis=1, initial=0, keepdims=True)
    if not np.isfinite(peaks).all():
        raise ValueError(
            f"vectors[{np.argmin(np.isfinite(peaks))}] is not finite; pass finite vectors, or a "
            f"row of zeros where there is none"
        )
    # Divide by the largest entry first, because the squares of the entries can overflow.
    rows /= np.where(peaks > 0, peaks, 1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(norms > 0, norms, 1)
    # Rows rounded to float16 before keep their bits, so that a copy equals the original.
    is_unit = (given.dtype == np.float16) & (np.abs(norms * peaks - 1) <= ROUNDING)
    unit = np.where(is_unit, given, rows).astype(np.float16)
    unit.flags.writeable = False
    return unit
