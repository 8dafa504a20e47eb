"""Use a dictionary saved in parts that does not fit in memory, one part at a time."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdict._core import Weights
from skdict._validation import check_rows
from skdict.decomposition import BaseDictionary, decode_rows, encode_part, join_codes


class DictionaryInParts(BaseDictionary):
    """Saved dictionary whose parts are read from disk one at a time, and again for every call.

    It is returned by ``load_dictionary(folder, in_parts=True)`` in a single process.

    Parameters
    ----------
    folder : pathlib.Path
        Folder that the dictionary was saved to in parts.
    load_part : callable
        Function from a span of features to an estimator that holds them.
    spans : list of (int, int)
        First feature of each part, and the one after its last.

    Attributes
    ----------
    n_features_in_ : int
        Width of the rows.
    metadata_ : dict
        Saved metadata.
    blocks_ : ndarray of shape (n_blocks,)
        Sizes of the blocks of columns, of a crosscoder.
    """

    def __init__(self, folder, load_part, spans):
        self.folder = folder
        self.load_part = load_part
        self.spans = spans

    def open(self):
        """Read the first part for the width of the rows, and return the dictionary."""
        first = self.load_part(*self.spans[0])
        self._width, self.metadata_ = first.n_features_in_, first.metadata_
        self.n_features_in_ = self._width
        if hasattr(first, "blocks_"):
            self.blocks_ = first.blocks_
        return self

    def fit(self, X, y=None):
        """Check the width of rows; the dictionary is fitted already.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        DictionaryInParts
            The dictionary itself.

        Raises
        ------
        ValueError
            If the rows have another width.
        """
        check_is_fitted(self)
        check_rows(self, X, reset=False)
        return self

    @property
    def components_(self):
        """Decoder directions of all parts, (n_components, n_features_in_), read from disk."""
        return np.concatenate([part.components_ for part in self._parts()])

    @property
    def _n_features_out(self):
        return self.spans[-1][1]

    def _parts(self):
        return (self.load_part(*span) for span in self.spans)

    def _encode(self, X):
        codes = []
        for part in self._parts():
            codes.append(encode_part(part, X))
        return join_codes(codes, getattr(part, "k_", None))

    def _decode(self, codes):
        rows = 0
        for part, (start, stop) in zip(self._parts(), self.spans, strict=True):
            weights = Weights.of(part, part=True)
            rows = rows + decode_rows(codes[:, start:stop], weights.components, 0 * weights.offset)
        return rows + weights.offset.astype(codes.dtype, copy=False)
