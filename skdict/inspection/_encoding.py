"""The features of any dictionary as columns without negative codes, block by block."""

import numpy as np
import scipy.sparse

from skdict._validation import check_finite, compute_dtype
from skdict.decomposition import check_is_dictionary
from skdict.inspection.evidence import iter_documents

# Codes that a dense block may hold.
BLOCK_CODES = 4_000_000


class FeatureColumns:
    """A dictionary's features, encoded block by block: never below 0, signs apart.

    Parameters
    ----------
    dictionary : estimator
        Fitted; a Pipeline may end in one.
    sign : {"split", "positive"}
        "split" takes the negative codes of a component as a feature of their own, numbered
        `n_components` further on; "positive" leaves them out.
    """

    def __init__(self, dictionary, sign):
        self.dictionary = dictionary
        self.n_components = len(check_is_dictionary(dictionary).components_)
        self.split = sign == "split"
        self.n_features = self.n_components * (2 if self.split else 1)

    def blocks(self, activations, chosen=None, features=None, observe=None):
        """Yield (codes, activations) for whole documents.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            Rows to encode.
        chosen : ndarray of bool, shape (n_documents,), or None
            Which documents; None for all.
        features : ndarray of int or None
            Which features; None for all.
        observe : callable or None
            Called with each part of a block as an array of rows, and its codes as `transform`
            returns them.

        Yields
        ------
        (csr_array of shape (n_rows, n_features), Activations)
        """
        rows = int(np.clip(BLOCK_CODES // self.n_components, 64, 8192))
        for block in iter_documents(activations, chosen, block_rows=rows):
            # A document may be longer than a block of dense codes.
            parts = []
            for start in range(0, len(block), rows):
                part = check_finite(np.asarray(block[start : start + rows]), start)
                part = part.astype(compute_dtype(part), copy=False)
                codes = self.dictionary.transform(part)
                if observe is not None:
                    observe(part, codes)
                parts.append(self._columns(codes, features))
            yield scipy.sparse.vstack(parts, format="csr"), block

    def _columns(self, codes, features):
        """Return codes of all features, or of some, none of them below 0."""
        codes = codes if scipy.sparse.issparse(codes) else np.asarray(codes)
        if features is not None:
            codes = self._take(codes, features)
        elif self.split:
            codes = scipy.sparse.csr_array(codes)
            codes = scipy.sparse.hstack([codes, -codes], format="csr")
        return _positive(codes)

    def _take(self, codes, features):
        codes = scipy.sparse.csc_array(codes) if scipy.sparse.issparse(codes) else codes
        codes = codes[:, features % self.n_components]
        signs = np.where(features < self.n_components, 1, -1).astype(codes.dtype)
        if scipy.sparse.issparse(codes):
            return codes @ scipy.sparse.diags_array(signs)
        return codes * signs


def _positive(codes):
    """Return the positive part of codes, with no zero stored."""
    codes = scipy.sparse.csr_array(codes)
    codes.data = np.maximum(codes.data, 0)
    codes.eliminate_zeros()
    return codes
