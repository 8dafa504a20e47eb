"""Compute the codes of many rows in chunks, and collect them as a CSR array on the host."""

import time

import numpy as np
import scipy.sparse
import torch

from skdict._core._backends.compiled_finder import CompiledFinder, is_compiled
from skdict._core._backends.portable import PortableFinder
from skdict._core._codes import Codes
from skdict._core._screening.choice import ScreeningChoice
from skdict._core._screening.search import Search

CHUNK_ROWS = 256
SCREENED_ROWS = 4096
GATHER_VALUES = 2**24
MOST_NARROW = np.iinfo(np.int32).max


@torch.inference_mode()
def iter_codes(dictionary, blocks):
    """Yield the dense codes of rows in chunks, as tensors on the dictionary's device.

    All matrix products have the same shape (the last chunk is padded with zeros), so the codes of
    a row do not depend on the other rows.

    Parameters
    ----------
    dictionary : AffineDictionary
        Dictionary on any device.
    blocks : iterable of ndarray of shape (n, d)
        Consecutive rows.

    Yields
    ------
    torch.Tensor of shape (<= 256, m)
        Codes of a chunk, valid until the next chunk is requested.
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


@torch.inference_mode()
def iter_active_codes(dictionary, blocks, *, compiled=None):
    """Yield the codes of rows, a few thousand rows at a time, computing only candidate entries.

    Parameters
    ----------
    dictionary : AffineDictionary
        Dictionary on the CPU whose nonlinearity is a `Gate` with `is_searched`; worthwhile if few
        codes are active.
    blocks : iterable of ndarray of shape (n, d)
        Consecutive rows.
    compiled : bool or None, default=None
        If True, use compiled loops. None uses them if they are installed.

    Yields
    ------
    Codes
        Codes of some rows. Each code is computed by itself, so the codes of a row do not depend
        on other rows.
    """
    compiled = is_compiled() if compiled is None else compiled
    encoder, bias = dictionary.encoder, dictionary.encoder_bias
    finder = CompiledFinder() if compiled else PortableFinder()
    gate = dictionary.nonlinearity
    cutoff = gate.cutoff(bias)
    choice = ScreeningChoice(encoder, bias, compiled)
    screens = {}
    for block in blocks:
        for start in range(0, len(block), SCREENED_ROWS):
            part = torch.from_numpy(
                block[start : start + SCREENED_ROWS] - dictionary.center.numpy()
            )
            kind = choice.next_kind(part, cutoff)
            if kind not in screens:
                screens[kind] = choice.screen(kind)
            before = time.perf_counter()
            codes = gate.entries(Search(finder, part, encoder, bias, screens[kind]), bias)
            choice.took(kind, (time.perf_counter() - before) / len(part))
            yield codes


def active_codes(codes):
    """Return the non-zero codes of a dense chunk (n, m), on the host."""
    rows, columns = codes.nonzero(as_tuple=True)
    row_ends = rows.new_zeros(len(codes) + 1)
    torch.cumsum(torch.bincount(rows, minlength=len(codes)), 0, out=row_ends[1:])
    values = codes[rows, columns].cpu()
    return Codes(row_ends.cpu(), columns.cpu(), values, values)


def to_csr(parts, n_components, dtype):
    """Return the `Codes` of consecutive rows as one `csr_array`.

    Indices are int32 if the number of non-zeros fits, otherwise int64.
    """
    columns, values, row_lengths = map(_Gathered, (np.int32, dtype, np.int64))
    for codes in parts:
        columns.append(codes.columns.numpy())
        values.append(codes.values.numpy())
        row_lengths.append(codes.row_ends.diff().numpy())
    pointers = np.concatenate([[0], np.cumsum(row_lengths.joined())])
    index_dtype = np.int32 if pointers[-1] <= MOST_NARROW else np.int64
    arrays = (
        values.joined(),
        columns.joined().astype(index_dtype, copy=False),
        pointers.astype(index_dtype),
    )
    return scipy.sparse.csr_array(arrays, shape=(len(pointers) - 1, n_components))


class _Gathered:
    """Values that arrive in small arrays, collected in a few large blocks.

    Keeping many small arrays between large temporary ones would fragment the heap and take many
    times the memory of the values.
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
        """Return all values as one array and release the blocks."""
        whole = np.concatenate([*self._full, self._block[: self._filled]])
        self._full = self._block = None
        return whole
