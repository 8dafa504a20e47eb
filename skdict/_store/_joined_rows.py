"""An array-like view of rows side by side."""

import numpy as np


class JoinedRows:
    """Read-only rows of shape (n, d) whose columns come from several sources side by side.

    Nothing is copied until rows are read, and then only the rows that are asked for.

    Parameters
    ----------
    parts : sequence of array-like of shape (n, d_i)
        Objects with `shape` and `dtype` whose slices convert to numpy arrays.
    """

    ndim = 2

    def __init__(self, parts):
        self._parts = tuple(parts)
        self.shape = self._parts[0].shape[0], sum(part.shape[1] for part in self._parts)
        self.dtype = np.result_type(*(part.dtype for part in self._parts))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        return np.concatenate([np.asarray(part[key]) for part in self._parts], axis=-1)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("copy=False, but joining rows needs a copy; pass copy=None")
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype, copy=False)
