"""An array-like view of rows stored in several files."""

from collections import OrderedDict
from pathlib import Path

import numpy as np

from skdict._files import map_array

# Each memory map keeps a file open, and a process may open only so many.
MOST_OPEN = 64


class ShardedRows:
    """Read-only rows of shape (n, d) in files that are memory-mapped on demand.

    A slice within one file is a view that copies nothing; other slices and arrays of row numbers
    are copied.

    Parameters
    ----------
    paths : list of path
        Files in the npy format, in order.
    lengths : list of int
        Number of rows in each file.
    width : int
        Number of columns.
    dtype : numpy dtype
        Data type of the rows.
    """

    ndim = 2

    def __init__(self, paths, lengths, width, dtype):
        self._paths = [str(Path(path).resolve()) for path in paths]
        self._states = [_state(path) for path in self._paths]
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._maps = OrderedDict()
        self.shape = int(self._starts[-1]), width
        self.dtype = np.dtype(dtype)

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        rows = self[:]
        fresh = not isinstance(rows, np.memmap)
        if dtype is not None and rows.dtype != dtype:
            return rows.astype(dtype)
        return rows.copy() if copy and not fresh else rows

    def __getitem__(self, key):
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._slice(start, max(start, stop))
            return self._gather(np.arange(start, stop, step))
        key = np.asarray(key)
        if key.dtype == bool:
            return self._gather(np.flatnonzero(key))
        outside = (key < -len(self)) | (key >= len(self))
        if outside.any():
            raise IndexError(f"row {key[outside][0]} is out of range for {len(self)} rows")
        key = np.where(key < 0, key + len(self), key)
        return self._gather(key[None])[0] if key.ndim == 0 else self._gather(key)

    def _slice(self, start, stop):
        first = self._shard_of(start) if start < len(self) else len(self._paths) - 1
        begin = self._starts[first]
        if stop <= self._starts[first + 1]:
            return self._map(first)[start - begin : stop - begin]
        rows = np.empty((stop - start, self.shape[1]), self.dtype)
        end = 0
        for shard in range(first, self._shard_of(stop - 1) + 1):
            begin = self._starts[shard]
            part = self._map(shard)[max(start - begin, 0) : stop - begin]
            rows[end : end + len(part)] = part
            end += len(part)
        return rows

    def _gather(self, indices):
        rows = np.empty((len(indices), self.shape[1]), self.dtype)
        shards = self._shard_of(indices)
        for shard in np.unique(shards):
            here = shards == shard
            rows[here] = self._map(shard)[indices[here] - self._starts[shard]]
        return rows

    def _shard_of(self, row):
        return np.searchsorted(self._starts, row, side="right") - 1

    def _map(self, shard):
        shard = int(shard)
        # Threads share the maps, so one that was found may be dropped by another at any time.
        found = self._maps.get(shard)
        if found is None:
            path = self._paths[shard]
            if _state(path) != self._states[shard]:
                raise ValueError(
                    f"{path!r} has changed since the store was loaded; load the store again"
                )
            self._maps[shard] = found = map_array(path)
            if len(self._maps) > MOST_OPEN:
                self._maps.popitem(last=False)
        return found


def _state(path):
    """Return the size and modification time of a file, or None if it does not exist."""
    path = Path(path)
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
