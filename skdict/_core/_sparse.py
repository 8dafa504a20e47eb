"""Codes of many rows as host CSR, chunk by chunk."""

import numpy as np
import scipy.sparse
import torch

CHUNK_ROWS = 256
GATHER_VALUES = 2**24
MOST_NARROW = np.iinfo(np.int32).max


@torch.inference_mode()
def iter_codes(dictionary, blocks):
    """Yield the dense codes of rows, chunk by chunk, as tensors on the dictionary's device.

    Every product has the same shape (the last chunk is padded with zeros), so a row goes
    through the same arithmetic whatever rows come with it.

    Parameters
    ----------
    dictionary : AffineDictionary
        On any device.
    blocks : iterable of ndarray of shape (n, d)
        Consecutive rows.

    Yields
    ------
    torch.Tensor of shape (<= 256, m)
        Valid until the next one is asked for.
    """
    center = dictionary.center
    chunk = center.new_zeros(CHUNK_ROWS, len(center))
    for block in blocks:
        for start in range(0, len(block), CHUNK_ROWS):
            part = np.ascontiguousarray(block[start : start + CHUNK_ROWS])
            part = part if part.flags.writeable else part.copy()
            chunk[: len(part)] = torch.from_numpy(part)
            chunk[len(part) :] = 0
            yield dictionary.encode(chunk)[: len(part)]


def to_csr(code_chunks, n_components, dtype):
    """Return dense chunks of codes (n_i, m) as one `csr_array` of their non-zeros.

    Indices take 32 bits while the number of non-zeros fits, 64 beyond.
    """
    columns, values, row_lengths = map(_Gathered, (np.int32, dtype, np.int64))
    for codes in code_chunks:
        rows_at, columns_at = codes.nonzero(as_tuple=True)
        columns.append(columns_at.cpu().numpy())
        values.append(codes[rows_at, columns_at].cpu().numpy())
        row_lengths.append(torch.bincount(rows_at, minlength=len(codes)).cpu().numpy())
    pointers = np.concatenate([[0], np.cumsum(row_lengths.joined())])
    index_dtype = np.int32 if pointers[-1] <= MOST_NARROW else np.int64
    parts = (
        values.joined(),
        columns.joined().astype(index_dtype, copy=False),
        pointers.astype(index_dtype),
    )
    return scipy.sparse.csr_array(parts, shape=(len(pointers) - 1, n_components))


class _Gathered:
    """Values that arrive bit by bit, kept in few large blocks.

    Many small arrays kept between large temporary ones would leave holes in the heap that
    nothing fits into: many times the memory of the values themselves.
    """

    def __init__(self, dtype):
        self._dtype, self._full, self._filled = dtype, [], 0
        self._block = np.empty(GATHER_VALUES, dtype)

    def append(self, array):
        while len(array):
            part = array[: GATHER_VALUES - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            array = array[len(part) :]
            if self._filled == GATHER_VALUES:
                self._full.append(self._block)
                self._block, self._filled = np.empty(GATHER_VALUES, self._dtype), 0

    def joined(self):
        """Return all values as one array, and let go of the blocks."""
        whole = np.concatenate([*self._full, self._block[: self._filled]])
        self._full = self._block = None
        return whole
