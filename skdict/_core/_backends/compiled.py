"""A step over few entries by compiled loops, where numba is installed (the extra `fast`)."""

import numpy as np
import torch

from skdict._core._adam import BETAS, EPSILON
from skdict._core._backends.sparse import Sparse
from skdict._core._codes import Codes
from skdict._core._screening.bounds import Rounded, round_rows

try:
    from numba import config, get_num_threads, set_num_threads

    from skdict._core._backends import kernels
except ImportError:
    kernels = None

# Products of a part of the rows stay in the processor's cache while they are looked through, yet
# torch's threads and numba's take turns as seldom as may be.
PART_BYTES = 16 * 2**20
FIRST_ROOM = 64


def is_compiled():
    """Return True if compiled loops are available."""
    return kernels is not None


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
    kernels.round_to_int8(x.numpy(), *(array.numpy() for array in arrays))
    return rounded


class _Found:
    """Entries as they are found: a stretch of places for each thread."""

    def __init__(self, most_rows, dtype):
        self._dtype, self.most_rows = dtype, most_rows
        self.threads = get_num_threads()
        self._starts, self._counts = np.empty((2, most_rows), np.int64)
        self.grow(FIRST_ROOM * most_rows // self.threads)

    def grow(self, room):
        """Make room for so many entries a thread."""
        self.room = room
        self._columns = np.empty(self.threads * room, np.int32)
        self._pre = np.empty(self.threads * room, self._dtype)

    def rows(self, part):
        """Return what the kernels fill for some of the rows."""
        return self._starts[part], self._counts[part], self._columns, self._pre

    def gathered(self, n_rows):
        """Return the entries of the first rows as codes."""
        found = self.rows(slice(n_rows))
        row_ends = np.zeros(n_rows + 1, np.int64)
        np.cumsum(found[1], out=row_ends[1:])
        columns, pre = np.empty(row_ends[-1], np.int32), np.empty(row_ends[-1], self._dtype)
        kernels.gather_entries(found, row_ends, columns, pre)
        row_ends, columns, pre = map(torch.from_numpy, (row_ends, columns, pre))
        return Codes(row_ends, columns, pre, pre)


class CompiledFinder:
    """Finds the entries above the cutoffs of their features, exactly; see `PortableFinder`."""

    def __init__(self):
        share_threads()
        self._found = self._products = None

    def __call__(self, x, encoder, bias, cutoff, screen):
        """Return the entries of rows x (n, d) as codes whose values are the pre-activations."""
        if self._found is None or self._found.most_rows < len(x):
            self._found = _Found(len(x), bias.numpy().dtype)
        rows = round_rows_compiled(x, screen.kind)
        while True:
            filled = np.zeros(self._found.threads, np.int64)
            self._fill(x, rows, (encoder.numpy(), bias.numpy(), cutoff.numpy()), screen, filled)
            if (filled >= 0).all():
                return self._found.gathered(len(x))
            self._found.grow(2 * self._found.room + 2 * len(bias))

    def _fill(self, x, rows, encoding, screen, filled):
        margins = screen.row_margins(rows)
        part_rows = max(64, PART_BYTES // (4 * len(encoding[1])))
        column_bounds = screen.rounded.scales, screen.column_bounds, screen.rounded.errors
        column_bounds = tuple(array.numpy() for array in column_bounds)
        for start in range(0, len(x), part_rows):
            part = slice(start, min(start + part_rows, len(x)))
            here = rows.part(part)
            kernels.find_entries(
                self._narrow_products(here, screen, part_rows),
                x[part].numpy(),
                (here.scales.numpy(), here.lengths.numpy(), margins[part].numpy()),
                *encoding,
                column_bounds,
                self._found.rows(part),
                filled,
            )

    def _narrow_products(self, rows, screen, part_rows):
        if self._products is None or self._products[0] != (screen.kind, part_rows):
            self._products = (screen.kind, part_rows), screen.new_products(part_rows)
        products = screen.products(rows, self._products[1][: len(rows.scales)])
        return (products.float() if products.dtype == torch.bfloat16 else products).numpy()


class Compiled(Sparse):
    """The verbs as compiled loops; a step of one process never holds the gradient."""

    def __init__(self):
        super().__init__(CompiledFinder())
        self._pull = None

    def rebuild(self, codes, x, components, factors, row_slopes):
        """Do what `Backend.rebuild` does in one loop, which reads directions from the cache."""
        if self._pull is None or len(self._pull) < len(x):
            self._pull = torch.empty_like(x)
        pull, slopes, errors = (
            self._pull[: len(x)],
            torch.empty_like(codes.pre),
            x.new_empty(len(x)),
        )
        kernels.rebuild_rows(
            x.numpy(),
            components.numpy(),
            _as_arrays(codes),
            factors.numpy(),
            row_slopes.numpy(),
            pull.numpy(),
            slopes.numpy(),
            errors.numpy(),
        )
        return errors, pull, slopes

    def decode(self, codes, components, start, stop):
        """Return what the features from `start` to `stop` rebuild."""
        rows = components.new_empty(len(codes.row_ends) - 1, components.shape[1])
        kernels.decode_rows(components.numpy(), _as_arrays(codes), start, stop, rows.numpy())
        return rows

    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slopes along entries."""
        slopes = torch.empty_like(codes.pre)
        for start, stop, pull in pulls:
            kernels.slopes_of_entries(
                components.numpy(),
                *_as_arrays(codes)[:2],
                start,
                stop,
                pull.numpy(),
                row_slopes.numpy(),
                slopes.numpy(),
            )
        return slopes

    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill out with the sums of entries times pulls, or add them to it."""
        sums = torch.empty_like(out) if add else out
        places, order = _places(codes, len(out))
        weights = entries.numpy()[order]
        for start, stop, pull in pulls:
            terms = _terms((pull, weights))
            kernels.accumulate_rows(start, stop, places, terms, sums.numpy())
        if add:
            out.add_(sums)

    def feature_sums(self, codes, entries, out):
        """Fill out with the sums of entries."""
        places, order = _places(codes, len(out))
        kernels.sum_features(places[0], entries.numpy()[order], out.numpy())

    def row_sums(self, codes):
        """Return the sum of the codes of each row."""
        sums = codes.values.new_empty(len(codes.row_ends) - 1)
        kernels.sum_rows(codes.row_ends.numpy(), codes.values.numpy(), sums.numpy())
        return sums

    def n_fired(self, codes, n_components):
        """Return on how many rows each feature fired."""
        counts = np.empty(n_components, np.int64)
        kernels.count_fired(codes.columns.numpy(), codes.values.numpy(), counts)
        return torch.from_numpy(counts)

    def update(self, tensors, adam, x, codes, pulls, pre_slopes, learned_slopes, rate, group):
        """Take a step of Adam; in a group of one each gradient is used where it is summed."""
        if group.size > 1:
            arguments = x, codes, pulls, pre_slopes, learned_slopes, rate, group
            return super().update(tensors, adam, *arguments)
        dtype = x.numpy().dtype.type
        step, root = adam.count_step(rate)
        rates = tuple(map(dtype, (1 - BETAS[0], 1 - BETAS[1], step, root, EPSILON)))
        places, order = _places(codes, len(tensors.bias))
        values, through = codes.values.numpy()[order], pre_slopes.numpy()[order]
        scratch = np.empty((get_num_threads(), x.shape[1]), dtype)

        def move(name, start, stop, *pairs):
            state, unit = adam.state(name), tensors.specs[name].unit_rows
            kernels.update_directions(
                state, start, stop, places, _terms(*pairs), unit, rates, scratch
            )

        for start, stop, pull in pulls:
            move("components", start, stop, (pull, values), *[(x, through)] * tensors.tied)
        if not tensors.tied:
            move("encoder", 0, len(tensors.bias), (x, through))
        learned = {name: entries.numpy()[order] for name, entries in learned_slopes.items()}
        for name, weights in {"bias": through, **learned}.items():
            gradient = np.empty(len(tensors.bias), dtype)
            kernels.sum_features(places[0], weights, gradient)
            kernels.update_numbers(adam.state(name), gradient, rates)
        return None


def _as_arrays(codes):
    """Return row ends, columns and values as the kernels take them."""
    return codes.row_ends.numpy(), codes.columns.numpy(), codes.values.numpy()


def _places(codes, n_components):
    """Return the ends and rows of the entries sorted by feature, and their order."""
    row_ends, columns, _ = _as_arrays(codes)
    ends = np.empty(n_components + 1, np.int64)
    rows, order = np.empty((2, len(columns)), np.int32)
    kernels.order_by_feature(row_ends, columns, ends, rows, order)
    return (ends, rows), order


def _terms(left, right=None):
    """Return one or two pairs of (matrix, weights) as the kernels take them."""
    matrix, weights = left[0].numpy(), left[1]
    if right is None:
        return matrix, weights, matrix, np.empty(0, weights.dtype)
    return matrix, weights, right[0].numpy(), right[1]
