"""Encode the features of any dictionary as non-negative columns, block by block."""

import numpy as np
import scipy.sparse

from skdict._validation import check_finite, compute_dtype
from skdict.decomposition import check_is_dictionary
from skdict.inspection.evidence import iter_documents

# Maximum number of codes in a dense block.
BLOCK_CODES = 4_000_000


class FeatureColumns:
    """Non-negative feature columns of a dictionary, encoded block by block.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary, or a Pipeline that ends in one.
    sign : {"split", "positive"}
        "split" turns the negative codes of component j into a separate feature, numbered
        `n_components` + j; "positive" drops negative codes.
    """

    def __init__(self, dictionary, sign):
        self.dictionary = dictionary
        self.n_components = len(check_is_dictionary(dictionary).components_)
        self.split = sign == "split"
        self.n_features = self.n_components * (2 if self.split else 1)

    def blocks(self, activations, chosen=None, features=None, observe=None):
        """Yield (codes, activations) for blocks of whole documents.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            Rows to encode.
        chosen : ndarray of bool, shape (n_documents,), or None
            Mask of the documents to encode; None for all.
        features : ndarray of int or None
            Features to return; None for all.
        observe : callable or None
            Called with each array of rows that is encoded and with the codes that `transform`
            returns for it.

        Yields
        ------
        (csr_array of shape (n_rows, n_features), Activations)
        """
        rows = int(np.clip(BLOCK_CODES // self.n_components, 64, 8192))
        for block in iter_documents(activations, chosen, block_rows=rows):
            # A single document can exceed the block size, so it is encoded in parts.
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
        """Return non-negative codes of all features, or of those selected."""
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
    """Return the positive part of the codes without explicit zeros."""
    codes = scipy.sparse.csr_array(codes)
    codes.data = np.maximum(codes.data, 0)
    codes.eliminate_zeros()
    return codes
