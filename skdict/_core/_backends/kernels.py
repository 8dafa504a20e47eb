"""Compiled loops over the entries of codes; imported only if numba is installed.

All arrays passed to a function have the same floating dtype. No result depends on the number of
threads.
"""

import numpy as np
from numba import get_thread_id, njit, prange

# Permit any order of sums, so that the compiler can vectorise them, but keep the semantics of NaN
# and infinity.
LOOSE = {"reassoc", "contract", "nsz", "arcp"}


@njit(fastmath=LOOSE, inline="always")
def dot(left, right):
    total = left.dtype.type(0)
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@njit(parallel=True, fastmath=LOOSE, cache=True)
def rebuild_rows(target, components, codes, factors, row_slopes, pull, slopes, errors):
    """Reconstruct rows from their codes; compute the pull of each row and the slope of each entry.

    Parameters
    ----------
    target : ndarray of shape (n, d)
        Rows to reconstruct.
    components : ndarray of shape (m, d)
        Decoder directions.
    codes : tuple
        Row ends (n + 1,), columns (nnz,) and values (nnz,).
    factors, row_slopes : ndarray of shape (n,)
        Factor on the residual of each row, and number added to the slopes of its entries.
    pull : ndarray of shape (n, d)
        Output: factor of the row times (reconstruction - target).
    slopes : ndarray of shape (nnz,)
        Output: pull of the row times the direction of the entry, plus the slope of the row.
    errors : ndarray of shape (n,)
        Output: squared errors.
    """
    n, d = target.shape
    row_ends, columns, values = codes
    for i in prange(n):
        rebuilt = pull[i]
        for k in range(d):
            rebuilt[k] = -target[i, k]
        for place in range(row_ends[i], row_ends[i + 1]):
            code, atom = values[place], components[columns[place]]
            for k in range(d):
                rebuilt[k] += code * atom[k]
        errors[i] = dot(rebuilt, rebuilt)
        factor = factors[i]
        for k in range(d):
            rebuilt[k] *= factor
        for place in range(row_ends[i], row_ends[i + 1]):
            slopes[place] = dot(rebuilt, components[columns[place]]) + row_slopes[i]


@njit(fastmath=LOOSE, cache=True)
def _fill_residuals(i, target, components, codes, ends, residuals):
    """Fill `residuals` (L, n, d) of row i: reconstruction below each end, minus the target."""
    row_ends, columns, values = codes
    place = row_ends[i]
    for level in range(len(ends)):
        residual = residuals[level, i]
        if level == 0:
            for k in range(len(residual)):
                residual[k] = -target[i, k]
        else:
            residual[:] = residuals[level - 1, i]
        while place < row_ends[i + 1] and columns[place] < ends[level]:
            code, atom = values[place], components[columns[place]]
            for k in range(len(residual)):
                residual[k] += code * atom[k]
            place += 1


@njit(fastmath=LOOSE, cache=True)
def _residuals_to_pulls(i, components, codes, levels, factor, row_slope, pulls, slopes):
    """Turn the residuals of row i into pulls, from last to first level, and fill its slopes."""
    row_ends, columns, _ = codes
    ends, weights = levels
    place = row_ends[i + 1] - 1
    for level in range(len(ends) - 1, -1, -1):
        pull, share = pulls[level, i], weights[level] * factor
        for k in range(len(pull)):
            pull[k] *= share
        if level < len(ends) - 1:
            after = pulls[level + 1, i]
            for k in range(len(pull)):
                pull[k] += after[k]
        start = ends[level - 1] if level else 0
        while place >= row_ends[i] and columns[place] >= start:
            slopes[place] = dot(pull, components[columns[place]]) + row_slope
            place -= 1


@njit(parallel=True, fastmath=LOOSE, cache=True)
def rebuild_nested_rows(
    target, components, codes, levels, factors, row_slopes, pulls, slopes, errors
):
    """Reconstruct rows like `rebuild_rows`, for nested prefixes of the dictionary.

    Parameters
    ----------
    target, components, codes, factors, row_slopes, slopes
        See `rebuild_rows`; features must be sorted within a row.
    levels : tuple
        Ends of the prefixes (L,), increasing to m, and weights of their squared errors (L,).
    pulls : ndarray of shape (L, n, d)
        Output: for each group of features, the factor of the row times the sum of
        weight times residual over the group's own level and all later ones.
    errors : ndarray of shape (n,)
        Output: squared errors of the full dictionary.
    """
    for i in prange(len(target)):
        _fill_residuals(i, target, components, codes, levels[0], pulls)
        errors[i] = dot(pulls[-1, i], pulls[-1, i])
        _residuals_to_pulls(i, components, codes, levels, factors[i], row_slopes[i], pulls, slopes)


@njit(parallel=True, fastmath=LOOSE, cache=True)
def decode_rows(components, codes, start, stop, out):
    """Fill `out` (n, d) with the contribution of features `start` to `stop` to reconstructions."""
    row_ends, columns, values = codes
    for i in prange(len(out)):
        rebuilt = out[i]
        rebuilt[:] = 0
        for place in range(row_ends[i], row_ends[i + 1]):
            if start <= columns[place] < stop:
                code, atom = values[place], components[columns[place]]
                for k in range(len(rebuilt)):
                    rebuilt[k] += code * atom[k]


@njit(parallel=True, fastmath=LOOSE, cache=True)
def slopes_of_entries(components, row_ends, columns, start, stop, pull, row_slopes, slopes):
    """Fill the slopes of the entries of features `start` to `stop`."""
    for i in prange(len(pull)):
        for place in range(row_ends[i], row_ends[i + 1]):
            if start <= columns[place] < stop:
                slopes[place] = dot(pull[i], components[columns[place]]) + row_slopes[i]


@njit(cache=True)
def order_by_feature(row_ends, columns, ends, rows, order):
    """Sort entries by feature, and by row within a feature.

    Parameters
    ----------
    row_ends, columns : ndarray of shape (n + 1,) and (nnz,)
        Entries by row.
    ends : ndarray of shape (m + 1,)
        Output: feature j has the sorted entries ``ends[j]`` to ``ends[j + 1]``.
    rows, order : ndarray of shape (nnz,)
        Output: row and original index of each sorted entry.
    """
    ends[:] = 0
    for j in columns:
        ends[j + 1] += 1
    for j in range(len(ends) - 1):
        ends[j + 1] += ends[j]
    heads = ends[:-1].copy()
    for i in range(len(row_ends) - 1):
        for entry in range(row_ends[i], row_ends[i + 1]):
            j = columns[entry]
            here = heads[j]
            heads[j] = here + 1
            rows[here] = i
            order[here] = entry


@njit(fastmath=LOOSE, inline="always")
def _sum_places(first, last, rows, terms, total):
    """Fill `total` (d,) with the weighted sum of rows over the sorted entries of a feature."""
    left, left_weights, right, right_weights = terms
    both = len(right_weights) > 0
    total[:] = 0
    for place in range(first, last):
        i, weight = rows[place], left_weights[place]
        if both:
            other = right_weights[place]
            for k in range(len(total)):
                total[k] += weight * left[i, k] + other * right[i, k]
        else:
            for k in range(len(total)):
                total[k] += weight * left[i, k]


@njit(parallel=True, fastmath=LOOSE, cache=True)
def accumulate_rows(start, stop, places, terms, out):
    """Fill rows `start` to `stop` of `out` (m, d) with the gradients of `update_directions`."""
    ends, rows = places
    for j in prange(start, stop):
        _sum_places(ends[j], ends[j + 1], rows, terms, out[j])


@njit(parallel=True, fastmath=LOOSE, cache=True)
def update_directions(state, start, stop, places, terms, extra, unit, rates, scratch):
    """Sum the gradient of each direction and take one step of Adam along it.

    Parameters
    ----------
    state : tuple of ndarray of shape (m, d)
        Directions and Adam's first and second moments, changed in place.
    start, stop : int
        Range of features to update.
    places : tuple
        Ends and rows from `order_by_feature`.
    terms : tuple
        A matrix (n, d) and a weight for each sorted entry, and a second such pair, whose weights
        are empty if it is not used. The gradient is the weighted sum of the rows of the matrices.
    extra : tuple of ndarray
        Row of each feature in the additional gradients, or -1; and the additional gradients.
    unit : bool
        If True, keep directions at unit length and project the gradient onto the tangent space.
    rates : tuple
        1 - beta_1, 1 - beta_2, step size, factor on the root of the second moment, epsilon.
    scratch : ndarray of shape (threads, d)
        Buffer for one gradient per thread.
    """
    directions, first, second = state
    ends, rows = places
    at, further = extra
    keep_first, keep_second, step, root, epsilon = rates
    for j in prange(start, stop):
        gradient = scratch[get_thread_id()]
        _sum_places(ends[j], ends[j + 1], rows, terms, gradient)
        if len(at) > 0 and at[j] >= 0:
            for k in range(len(gradient)):
                gradient[k] += further[at[j], k]
        direction, mean, square = directions[j], first[j], second[j]
        along = dot(gradient, direction) if unit else gradient[0] * 0
        length = gradient[0] * 0
        for k in range(len(gradient)):
            slope = gradient[k] - along * direction[k]
            mean[k] += keep_first * (slope - mean[k])
            square[k] += keep_second * (slope * slope - square[k])
            moved = direction[k] - step * mean[k] / (np.sqrt(square[k]) * root + epsilon)
            direction[k] = moved
            length += moved * moved
        if unit:
            length = 1 / np.sqrt(length)
            for k in range(len(gradient)):
                direction[k] *= length


@njit(fastmath=LOOSE, cache=True)
def sum_features(ends, weights, out):
    """Fill `out` (m,) with the sum of the weights of each feature's sorted entries."""
    for j in range(len(out)):
        total = out.dtype.type(0)
        for place in range(ends[j], ends[j + 1]):
            total += weights[place]
        out[j] = total


@njit(fastmath=LOOSE, cache=True)
def update_numbers(state, gradients, rates):
    """Take one step of Adam for a tensor with one number per feature."""
    numbers, first, second = state
    keep_first, keep_second, step, root, epsilon = rates
    for j in range(len(numbers)):
        gradient = gradients[j]
        first[j] += keep_first * (gradient - first[j])
        second[j] += keep_second * (gradient * gradient - second[j])
        numbers[j] -= step * first[j] / (np.sqrt(second[j]) * root + epsilon)


@njit(parallel=True, fastmath=LOOSE, cache=True)
def sum_rows(row_ends, values, out):
    """Fill `out` (n,) with the sum of the values of each row."""
    for i in prange(len(out)):
        total = out.dtype.type(0)
        for place in range(row_ends[i], row_ends[i + 1]):
            total += values[place]
        out[i] = total


@njit(cache=True)
def count_fired(columns, values, out):
    """Fill `out` (m,) with the number of non-zero values of each feature."""
    out[:] = 0
    for place in range(len(columns)):
        out[columns[place]] += values[place] != 0
