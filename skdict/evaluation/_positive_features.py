"""Any dictionary as features with non-negative codes."""

import numpy as np
import scipy.sparse

from skdict.decomposition import dictionary_atoms, dictionary_offset, encode_blocks, split_signs


class PositiveFeatures:
    """Fitted dictionary whose negative codes belong to features of their own.

    Feature `n_components` + i has the negated direction of component i. Its code is the negative
    part of code i, which is always zero for most sparse dictionaries.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    width : int
        Width of the rows that it will encode.

    Attributes
    ----------
    directions : ndarray of shape (2 * n_components, width), dtype float64
        Decoder directions.
    lengths : ndarray of shape (2 * n_components,)
        Their lengths.
    offset : ndarray of shape (width,)
        Reconstruction of zero codes.

    Raises
    ------
    TypeError
        If the estimator is not a fitted dictionary.
    ValueError
        If it has another width.
    """

    def __init__(self, dictionary, width):
        atoms = dictionary_atoms(dictionary).astype(np.float64)
        if atoms.shape[1] != width:
            raise ValueError(
                f"the dictionary was fitted on rows of width {atoms.shape[1]} but the scorer has "
                f"rows of width {width}; pass a dictionary of the same hook point"
            )
        self.dictionary = dictionary
        self.directions = np.concatenate([atoms, -atoms])
        self.lengths = np.linalg.norm(self.directions, axis=1)
        self.offset = dictionary_offset(dictionary).astype(np.float64)

    def blocks(self, X):
        """Yield `(start, codes)` of blocks of rows, with codes as CSR arrays."""
        for start, _, codes in encode_blocks(self.dictionary, X):
            yield start, scipy.sparse.csr_array(split_signs(scipy.sparse.csr_array(codes)))

    def encode(self, X):
        """Return the codes of rows as a CSR array of shape (n, 2 * n_components)."""
        return scipy.sparse.vstack([codes for _, codes in self.blocks(X)], format="csr")

    def cosines(self, direction):
        """Return the cosine of each decoder direction with a unit vector; 0 for a zero one."""
        along = self.directions @ direction
        return np.divide(along, self.lengths, out=np.zeros_like(along), where=self.lengths > 0)
