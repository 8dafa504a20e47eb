"""The same over active codes by compiled loops, where numba is installed (the extra `fast`)."""

import numpy as np
import torch

from skdict._core._active import ActiveCodes
from skdict._core._adam import BETAS, EPSILON
from skdict._core._parameters import BatchSums
from skdict._core._screening import Rounded, round_rows

try:
    from numba import config, get_num_threads, set_num_threads

    from skdict._core import _kernels
except ImportError:
    _kernels = None

# Products of a part of the rows stay in the processor's cache while they are looked through, yet
# torch's threads and numba's take turns as seldom as may be.
PART_BYTES = 16 * 2**20
FIRST_ROOM = 64


def is_compiled():
    """Whether compiled loops are there."""
    return _kernels is not None


def share_threads():
    """Give compiled loops as many threads as torch has, and leave torch as many.

    The first launch of their threads would set the number for the whole process: torch would
    then sum in another order than before, and processes that were given one core would take all.
    """
    threads = torch.get_num_threads()
    set_num_threads(min(threads, config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)


def round_rows_compiled(x, kind):
    """Do what `round_rows` does, in one pass over the rows where the kind is int8."""
    if kind != "int8":
        return round_rows(x, kind)
    rounded = Rounded(torch.empty(x.shape, dtype=torch.int8), *x.new_empty(3, len(x)))
    arrays = (rounded.values, rounded.scales, rounded.lengths, rounded.errors)
    _kernels.round_to_int8(x.numpy(), *(array.numpy() for array in arrays))
    return rounded


class _Found:
    """Active codes as the kernels have them: a stretch of places for each thread."""

    def __init__(self, most_rows, dtype):
        self._dtype, self.most_rows = dtype, most_rows
        self.threads = get_num_threads()
        self._starts, self._counts = np.empty((2, most_rows), np.int64)
        self.n_rows = most_rows
        self.grow(FIRST_ROOM * most_rows // self.threads)

    @property
    def counts(self):
        """Active codes of each row."""
        return self._counts[: self.n_rows]

    @property
    def starts(self):
        """Where those of each row are."""
        return self._starts[: self.n_rows]

    def grow(self, room):
        """Make room for so many codes a thread."""
        self.room = room
        self.columns = np.empty(self.threads * room, np.int32)
        self.values = np.empty(self.threads * room, self._dtype)

    def rows(self, part):
        """Return what the kernels fill for some of the rows."""
        return self.starts[part], self.counts[part], self.columns, self.values


class CompiledEncoder:
    """Finds the active codes of rows, exactly; see `PortableEncoder`."""

    def __init__(self, encoder, bias):
        share_threads()
        self._encoder, self._bias = encoder, bias
        self._found = self._products = None

    def __call__(self, x, screen):
        """Return the active codes of rows (n, d)."""
        found = self.find(x, screen)
        row_ends = np.concatenate([[0], np.cumsum(found.counts)])
        order = np.repeat(found.starts - row_ends[:-1], found.counts) + np.arange(row_ends[-1])
        arrays = row_ends, found.columns[order].astype(np.int64), found.values[order]
        return ActiveCodes(*map(torch.from_numpy, arrays))

    def find(self, x, screen):
        """Return the active codes as the kernels have them."""
        if self._found is None or self._found.most_rows < len(x):
            self._found = _Found(len(x), self._bias.numpy().dtype)
        self._found.n_rows = len(x)
        rows = round_rows_compiled(x, screen.kind)
        while True:
            filled = np.zeros(self._found.threads, np.int64)
            self._fill(x, rows, screen, filled)
            if (filled >= 0).all():
                return self._found
            self._found.grow(2 * self._found.room + 2 * len(self._bias))

    def _fill(self, x, rows, screen, filled):
        margins = screen.row_margins(rows)
        part_rows = max(64, PART_BYTES // (4 * len(self._bias)))
        column_bounds = screen.rounded.scales, screen.column_bounds, screen.rounded.errors
        column_bounds = tuple(array.numpy() for array in column_bounds)
        for start in range(0, len(x), part_rows):
            part = slice(start, start + part_rows)
            here = rows.part(part)
            _kernels.encode_rows(
                self._narrow_products(here, screen, part_rows),
                x[part].numpy(),
                (here.scales.numpy(), here.lengths.numpy(), margins[part].numpy()),
                self._encoder.numpy(),
                self._bias.numpy(),
                column_bounds,
                self._found.rows(part),
                filled,
            )

    def _narrow_products(self, rows, screen, part_rows):
        if self._products is None or self._products[0] != (screen.kind, part_rows):
            self._products = (screen.kind, part_rows), screen.new_products(part_rows)
        products = screen.products(rows, self._products[1][: len(rows.scales)])
        return (products.float() if products.dtype == torch.bfloat16 else products).numpy()


class CompiledStep:
    """Gradient over active codes and step of Adam, without ever holding the gradient.

    Parameters
    ----------
    parameters : Parameters
        Trained in place.
    adam : Adam
        Whose moments are changed in place.
    """

    def __init__(self, parameters, adam):
        self._parameters, self._adam = parameters, adam
        self._encoder = CompiledEncoder(parameters.encoder, parameters.bias)
        self._residual = self._slopes = None

    def __call__(self, x, weights, screen, alpha, learning_rate):
        """Train on rows (n, d) of weights (n,) and return the sums of the batch."""
        found = self._encoder.find(x, screen)
        if self._residual is None or len(self._residual) < len(x):
            self._residual = np.empty_like(x.numpy())
        if self._slopes is None or len(self._slopes) != len(found.values):
            self._slopes = np.empty_like(found.values)
        x, n, dtype = x.numpy(), len(x), found.values.dtype
        sums = np.empty((2, n), dtype)
        codes = found.rows(slice(None))
        _kernels.differentiate_rows(
            x,
            weights.numpy(),
            self._parameters.components.numpy(),
            codes,
            self._slopes,
            self._residual,
            sums,
            dtype.type(alpha / n),
            dtype.type(2 / n),
        )
        ends = self._update(x, found, codes, learning_rate)
        squared_errors, code_sums = torch.from_numpy(sums)
        return BatchSums(squared_errors, code_sums, torch.from_numpy(np.diff(ends)))

    def _update(self, x, found, codes, learning_rate):
        """Move the parameters; return where each feature's codes end, sorted by feature."""
        total, dtype = int(found.counts.sum()), found.values.dtype
        ends = np.empty(len(self._parameters.bias) + 1, np.int64)
        rows, weights, slopes = np.empty(total, np.int32), *np.empty((2, total), dtype)
        _kernels.order_by_feature(codes, self._slopes, ends, (rows, weights, slopes))
        step, root = self._adam.count_step(learning_rate)
        rates = tuple(map(dtype.type, (1 - BETAS[0], 1 - BETAS[1], step, root, EPSILON)))
        none = np.empty(0, dtype)
        if self._parameters.tied:
            terms = [(self._residual, weights, x, slopes)]
        else:
            terms = [(self._residual, weights, x, none), (x, slopes, x, none)]
        *states, bias = zip(
            self._parameters.tensors(), self._adam.first, self._adam.second, strict=True
        )
        scratch = np.empty((found.threads, x.shape[1]), dtype)
        for place, (state, sums) in enumerate(zip(states, terms, strict=True)):
            arrays = (tensor.numpy() for tensor in state)
            _kernels.update_directions(*arrays, ends, rows, sums, place == 0, rates, scratch)
        _kernels.update_biases(*(tensor.numpy() for tensor in bias), ends, slopes, rates)
        return ends
