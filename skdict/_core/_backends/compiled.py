"""Sparse back end with compiled loops, for use if numba is installed (the extra `fast`)."""

import numpy as np
import torch

from skdict._core._adam import BETAS, EPSILON
from skdict._core._backends.base import of_all_levels
from skdict._core._backends.compiled_finder import CompiledFinder
from skdict._core._backends.sparse import Sparse
from skdict._core._group import ALONE
from skdict._core._objectives.matryoshka import Pull

try:
    from numba import get_num_threads

    from skdict._core._backends import kernels
except ImportError:
    kernels = None

# Weights of a new gradient in Adam's moments.
NEW_SHARES = 1 - BETAS[0], 1 - BETAS[1]


class Compiled(Sparse):
    """Sparse back end in compiled loops; unless rows are shared, no full gradient is stored."""

    def __init__(self, *multiply):
        super().__init__(CompiledFinder(), *multiply)
        self._room = None

    def rebuild(self, codes, target, components, factors, row_slopes, features=ALONE):
        """Reconstruct rows as `Backend.rebuild` does, in one loop that reuses cached directions."""
        if features.size > 1:
            options = factors, row_slopes, features
            return super().rebuild(codes, target, components, *options)
        pull, slopes, errors = self._outputs(codes, target, 1)
        kernels.rebuild_rows(
            target.numpy(),
            components.numpy(),
            _as_arrays(codes),
            factors.numpy(),
            row_slopes.numpy(),
            pull[0].numpy(),
            slopes.numpy(),
            errors.numpy(),
        )
        return errors, pull[0], slopes

    def rebuild_nested(
        self, codes, target, components, factors, row_slopes, levels, features=ALONE
    ):
        """Reconstruct rows as `Backend.rebuild_nested` does, in one loop over sorted entries."""
        if features.size > 1:
            options = factors, row_slopes, levels, features
            return super().rebuild_nested(codes, target, components, *options)
        pulls, slopes, errors = self._outputs(codes, target, len(levels.ends))
        kernels.rebuild_nested_rows(
            target.numpy(),
            components.numpy(),
            _as_arrays(codes),
            (np.array(levels.ends), np.array(levels.weights, dtype=target.numpy().dtype)),
            factors.numpy(),
            row_slopes.numpy(),
            pulls.numpy(),
            slopes.numpy(),
            errors.numpy(),
        )
        groups = zip(levels.groups(), pulls, strict=True)
        return errors, [Pull(*group, pull) for group, pull in groups], slopes

    def _outputs(self, codes, target, n_levels):
        """Return buffers for pulls (n_levels, n, d), slopes (nnz,) and errors (n,)."""
        size = n_levels * target.numel()
        if self._room is None or len(self._room) < size:
            self._room = target.new_empty(size)
        pulls = self._room[:size].view(n_levels, *target.shape)
        return pulls, torch.empty_like(codes.pre), target.new_empty(len(target))

    def decode(self, codes, components, start, stop):
        """Return the contribution of features `start` to `stop` to reconstructions."""
        rows = components.new_empty(len(codes.row_ends) - 1, components.shape[1])
        kernels.decode_rows(components.numpy(), _as_arrays(codes), start, stop, rows.numpy())
        return rows

    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slopes of entries."""
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
        """Fill `out` with the sums of entries times pulls, or add them to it."""
        sums = torch.empty_like(out) if add else out
        places, order = _places(codes, len(out))
        weights = entries.numpy()[order]
        for start, stop, pull in pulls:
            terms = _terms((pull, weights))
            kernels.accumulate_rows(start, stop, places, terms, sums.numpy())
        if add:
            out.add_(sums)

    def feature_sums(self, codes, entries, out):
        """Fill `out` with the sums of entries."""
        places, order = _places(codes, len(out))
        kernels.sum_features(places[0], entries.numpy()[order], out.numpy())

    def row_sums(self, codes):
        """Return the sum of the codes of each row."""
        sums = codes.values.new_empty(len(codes.row_ends) - 1)
        kernels.sum_rows(codes.row_ends.numpy(), codes.values.numpy(), sums.numpy())
        return sums

    def n_fired(self, codes, n_components):
        """Return the number of rows on which each feature fired."""
        counts = np.empty(n_components, np.int64)
        kernels.count_fired(codes.columns.numpy(), codes.values.numpy(), counts)
        return torch.from_numpy(counts)

    def update(
        self, tensors, adam, x, codes, pulls, pre_slopes, learned_slopes, rate, group, extra=None
    ):
        """Take a step of Adam; unless rows are shared, apply each gradient once it is summed."""
        if group.rows.size > 1:
            arguments = x, codes, pulls, pre_slopes, learned_slopes, rate, group, extra
            return super().update(tensors, adam, *arguments)
        dtype = x.numpy().dtype.type
        rates = tuple(map(dtype, (*NEW_SHARES, *adam.count_step(rate), EPSILON)))
        places, order = _places(codes, len(tensors.bias))
        values, through = codes.values.numpy()[order], pre_slopes.numpy()[order]
        extras = _extras(extra, len(tensors.bias), dtype)

        def move(name, start, stop, *pairs):
            state, unit = adam.state(name), tensors.specs[name].unit_rows
            scratch = np.empty((get_num_threads(), tensors[name].shape[1]), dtype)
            kernels.update_directions(
                state, start, stop, places, _terms(*pairs), extras(name), unit, rates, scratch
            )

        for start, stop, pull in pulls:
            move("components", start, stop, (pull, values), *[(x, through)] * tensors.tied)
        if not tensors.tied:
            move("encoder", 0, len(tensors.bias), (x, through))
        for name, entries in {"bias": pre_slopes, **learned_slopes}.items():
            gradient = np.empty(len(tensors.bias), dtype)
            kernels.sum_features(places[0], entries.numpy()[order], gradient)
            if extra is not None and name in extra.gradients:
                gradient[extra.features.numpy()] += extra.gradients[name].numpy()
            kernels.update_numbers(adam.flat_state(name), gradient, rates)
        if "skip" in tensors:
            gradient = self._multiply(x.T, of_all_levels(pulls), torch.empty_like(tensors["skip"]))
            kernels.update_numbers(adam.flat_state("skip"), gradient.view(-1).numpy(), rates)
        return None


def _as_arrays(codes):
    """Return row ends, columns and values as arrays for the kernels."""
    return codes.row_ends.numpy(), codes.columns.numpy(), codes.values.numpy()


def _places(codes, n_components):
    """Return the ends and rows of entries sorted by feature, and the sorting order."""
    row_ends, columns, _ = _as_arrays(codes)
    ends = np.empty(n_components + 1, np.int64)
    rows, order = np.empty((2, len(columns)), np.int32)
    kernels.order_by_feature(row_ends, columns, ends, rows, order)
    return (ends, rows), order


def _terms(left, right=None):
    """Return one or two pairs (matrix, weights) in the form the kernels expect."""
    matrix, weights = left[0].numpy(), left[1]
    if right is None:
        return matrix, weights, matrix, np.empty(0, weights.dtype)
    return matrix, weights, right[0].numpy(), right[1]


def _extras(extra, n_components, dtype):
    """Return a function from a name to extra gradients and the row of each feature in them."""
    at = np.full(n_components, -1, np.int32)
    if extra is not None:
        at[extra.features.numpy()] = np.arange(len(extra.features))

    def of(name):
        if extra is None or name not in extra.gradients:
            return at[:0], np.empty((0, 0), dtype)
        return at, extra.gradients[name].numpy()

    return of
