"""Search for entries with compiled loops, for use if numba is installed (the extra `fast`)."""

import numpy as np
import torch

from skdict._core._codes import Codes
from skdict._core._screening.bounds import Rounded, round_rows

try:
    from numba import config, get_num_threads, set_num_threads

    from skdict._core._backends import search_kernels as kernels
except ImportError:
    kernels = None

# Large enough that the threads of torch and numba rarely take turns, small enough that products
# stay in the processor's cache while they are scanned.
PART_BYTES = 32 * 2**20
FIRST_ROOM = 64


def is_compiled():
    """Return True if numba is installed, so that compiled loops are available."""
    return kernels is not None


def share_threads():
    """Give compiled loops as many threads as torch has, without changing torch's number.

    Otherwise the first parallel loop would set the number of threads for the whole process. The
    order of sums in torch would change, and a process restricted to one core would use all.
    """
    threads = torch.get_num_threads()
    set_num_threads(min(threads, config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)


def round_rows_compiled(x, kind):
    """Round rows as `round_rows` does, in a single pass if the kind is int8."""
    if kind != "int8":
        return round_rows(x, kind)
    rounded = Rounded(torch.empty(x.shape, dtype=torch.int8), *x.new_empty(3, len(x)))
    arrays = (rounded.values, rounded.scales, rounded.lengths, rounded.errors)
    kernels.round_to_int8(x.numpy(), *(array.numpy() for array in arrays))
    return rounded


class _Found:
    """Buffers for the entries found, with one segment per thread."""

    def __init__(self, most_rows, dtype):
        self._dtype, self.most_rows = dtype, most_rows
        self.threads = get_num_threads()
        self._starts, self._counts = np.empty((2, most_rows), np.int64)
        self.grow(FIRST_ROOM * most_rows // self.threads)

    def grow(self, room):
        """Allocate buffers for `room` entries per thread."""
        self.room = room
        self._columns = np.empty(self.threads * room, np.int32)
        self._pre = np.empty(self.threads * room, self._dtype)

    def rows(self, part):
        """Return the arrays that the kernels fill for some of the rows."""
        return self._starts[part], self._counts[part], self._columns, self._pre

    def gathered(self, n_rows):
        """Return the entries of the first `n_rows` rows as codes."""
        found = self.rows(slice(n_rows))
        row_ends = np.zeros(n_rows + 1, np.int64)
        np.cumsum(found[1], out=row_ends[1:])
        columns, pre = np.empty(row_ends[-1], np.int32), np.empty(row_ends[-1], self._dtype)
        kernels.gather_entries(found, row_ends, columns, pre)
        row_ends, columns, pre = map(torch.from_numpy, (row_ends, columns, pre))
        return Codes(row_ends, columns, pre, pre)


class CompiledFinder:
    """Exact search for entries with compiled loops; see `PortableFinder`."""

    def __init__(self):
        share_threads()
        self._found = self._products = None

    def above(self, x, encoder, bias, cutoff, screen):
        """Return the entries of rows x (n, d) above the cutoffs of their features (m,)."""
        encoding = encoder.numpy(), bias.numpy(), cutoff.numpy()
        bounds = screen.column_bounds(cutoff)
        return self._find(kernels.find_above, x, encoding, bounds, screen)

    def largest(self, x, encoder, bias, k, screen):
        """Return the k largest positive entries of each row of x (n, d)."""
        rounding = bias.numpy().dtype.type(screen.cutoff_rounding)
        encoding = encoder.numpy(), bias.numpy(), k, rounding
        return self._find(kernels.find_largest, x, encoding, screen.column_bounds(), screen)

    def _find(self, kernel, x, encoding, bounds, screen):
        """Return the entries that a kernel finds, growing the buffers until they fit."""
        if self._found is None or self._found.most_rows < len(x):
            self._found = _Found(len(x), encoding[1].dtype)
        rows = round_rows_compiled(x, screen.kind)
        column_bounds = screen.rounded.scales, bounds, screen.rounded.errors
        column_bounds = tuple(array.numpy() for array in column_bounds)
        while True:
            filled = np.zeros(self._found.threads, np.int64)
            for part, products, row_bounds in self._parts(x, rows, screen):
                found = self._found.rows(part)
                here = x[part].numpy()
                kernel(products, here, row_bounds, *encoding, column_bounds, found, filled)
            if (filled >= 0).all():
                return self._found.gathered(len(x))
            self._found.grow(2 * self._found.room + 2 * len(bounds))

    def _parts(self, x, rows, screen):
        """Yield slices of the rows with their low-precision products and row bounds."""
        margins = screen.row_margins(rows)
        part_rows = max(64, PART_BYTES // (4 * len(screen.rounded.scales)))
        for start in range(0, len(x), part_rows):
            part = slice(start, min(start + part_rows, len(x)))
            here = rows.part(part)
            row_bounds = here.scales.numpy(), here.lengths.numpy(), margins[part].numpy()
            yield part, self._narrow_products(here, screen, part_rows), row_bounds

    def _narrow_products(self, rows, screen, part_rows):
        if self._products is None or self._products[0] != (screen.kind, part_rows):
            self._products = (screen.kind, part_rows), screen.new_products(part_rows)
        products = screen.products(rows, self._products[1][: len(rows.scales)])
        return (products.float() if products.dtype == torch.bfloat16 else products).numpy()
