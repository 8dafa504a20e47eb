"""Compiled loops over active codes; imported only where numba is installed.

Every function takes numpy arrays of one floating dtype. Rows of a batch are dealt out to threads
in runs, each of which writes the codes it finds into a stretch of its own; no sum depends on how
many threads there are.
"""

import numpy as np
from numba import get_thread_id, njit, prange

# Sums may be taken in any order, which is what lets the compiler use vectors; NaN and infinity
# keep their meaning.
LOOSE = {"reassoc", "contract", "nsz", "arcp"}


@njit(fastmath=LOOSE, inline="always")
def _dot(left, right):
    total = left.dtype.type(0)
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@njit(fastmath=LOOSE, inline="always")
def _candidates(products, scales, bounds, errors, per_scale, length, least, flags, found):
    """Write the columns whose bound exceeds `least` to `found`; return how many they are."""
    m = len(products)
    for j in range(m):
        bound = products[j] * scales[j] + (bounds[j] * per_scale + length * errors[j])
        flags[j] = bound > least
    # Eight flags at a time, because nearly all are down.
    words = flags.view(np.uint64)
    count = 0
    for word in range(len(words)):
        if words[word] != 0:
            for j in range(8 * word, min(8 * word + 8, m)):
                found[count] = j
                count += flags[j]
    return count


@njit(parallel=True, fastmath=LOOSE, cache=True)
def encode_rows(products, x, row_bounds, encoder, bias, column_bounds, codes, filled):
    """Find the active codes of rows, exactly.

    Parameters
    ----------
    products : ndarray of shape (n, m)
        Narrow products of rows and directions.
    x : ndarray of shape (n, d)
        The rows themselves.
    row_bounds : tuple of ndarray of shape (n,)
        Scales, lengths and margins of the rounded rows.
    encoder, bias : ndarray of shape (m, d) and (m,)
        In full precision.
    column_bounds : tuple of ndarray of shape (m,)
        Scales, raised biases and errors of the rounded encoder.
    codes : tuple
        Filled: starts (n,) and counts (n,) of each row's codes among columns (room,) and values
        (room,), which are dealt out to the threads in equal stretches.
    filled : ndarray of shape (threads,)
        How far each stretch is filled; -1 where there was no room.
    """
    n, m = products.shape
    row_scales, lengths, margins = row_bounds
    scales, bounds, errors = column_bounds
    starts, counts, columns, values = codes
    threads = len(filled)
    share, room = (n + threads - 1) // threads, len(columns) // threads
    for thread in prange(threads):
        first = thread * room
        flags = np.zeros((m + 7) // 8 * 8, dtype=np.uint8)
        found = np.empty(m + 8, dtype=np.int32)
        end = filled[thread]
        for i in range(thread * share, min(n, (thread + 1) * share)):
            per_scale = 1 / row_scales[i]
            count = _candidates(
                products[i],
                scales,
                bounds,
                errors,
                per_scale,
                lengths[i] * per_scale,
                -margins[i] * per_scale,
                flags,
                found,
            )
            if end < 0 or end + count > room:
                end = -1
                break
            starts[i] = first + end
            for candidate in range(count):
                j = found[candidate]
                code = _dot(x[i], encoder[j]) + bias[j]
                if code > 0:
                    columns[first + end] = j
                    values[first + end] = code
                    end += 1
            counts[i] = first + end - starts[i]
        filled[thread] = end


@njit(parallel=True, fastmath=LOOSE, cache=True)
def differentiate_rows(x, weights, components, codes, slopes, residual, sums, alpha, factor):
    """Rebuild rows from their codes; give the loss and its slope along each active code.

    Parameters
    ----------
    x : ndarray of shape (n, d)
        Rows.
    weights : ndarray of shape (n,)
        Of the rows in the objective.
    components : ndarray of shape (m, d)
        The dictionary.
    codes : tuple
        As `encode_rows` filled them.
    slopes : ndarray of shape (room,)
        Filled: the derivative of the loss by each active code.
    residual : ndarray of shape (n, d)
        Filled: `factor` times the weight of the row times (x_hat - x).
    sums : ndarray of shape (2, n)
        Filled: squared error and sum of codes of each row.
    alpha, factor : float
        What the penalty and the squared error are multiplied by; the latter doubled.
    """
    n, d = x.shape
    starts, counts, columns, values = codes
    for i in prange(n):
        rebuilt = residual[i]
        for k in range(d):
            rebuilt[k] = -x[i, k]
        total = rebuilt[0] * 0
        for place in range(starts[i], starts[i] + counts[i]):
            code, atom = values[place], components[columns[place]]
            total += code
            for k in range(d):
                rebuilt[k] += code * atom[k]
        sums[0, i] = _dot(rebuilt, rebuilt)
        sums[1, i] = total
        weight = factor * weights[i]
        for k in range(d):
            rebuilt[k] *= weight
        for place in range(starts[i], starts[i] + counts[i]):
            slopes[place] = _dot(rebuilt, components[columns[place]]) + alpha * weights[i]


@njit(cache=True)
def order_by_feature(codes, slopes, ends, by_feature):
    """Sort active codes by feature, and by row within a feature.

    Parameters
    ----------
    codes : tuple
        As `encode_rows` filled them.
    slopes : ndarray of shape (room,)
        As `differentiate_rows` filled them.
    ends : ndarray of shape (m + 1,)
        Filled: feature j has the places from ``ends[j]`` to ``ends[j + 1]``.
    by_feature : tuple of ndarray of shape (nnz,)
        Filled: row, code and slope of each place.
    """
    starts, counts, columns, values = codes
    rows, codes_by, slopes_by = by_feature
    n = len(starts)
    ends[:] = 0
    for i in range(n):
        for place in range(starts[i], starts[i] + counts[i]):
            ends[columns[place] + 1] += 1
    for j in range(len(ends) - 1):
        ends[j + 1] += ends[j]
    heads = ends[:-1].copy()
    for i in range(n):
        for place in range(starts[i], starts[i] + counts[i]):
            j = columns[place]
            here = heads[j]
            heads[j] = here + 1
            rows[here] = i
            codes_by[here] = values[place]
            slopes_by[here] = slopes[place]


@njit(parallel=True, fastmath=LOOSE, cache=True)
def update_directions(directions, first, second, ends, rows, terms, unit, rates, scratch):
    """Take one step of Adam along the gradient of each direction, summed on the spot.

    Parameters
    ----------
    directions, first, second : ndarray of shape (m, d)
        What is trained, and Adam's moments; changed in place.
    ends, rows : ndarray
        Places of each feature, and their rows, from `order_by_feature`.
    terms : tuple
        A matrix of rows and weights for each place; and a second pair, whose weights are empty
        where there is none. The gradient is the weighted sum of rows.
    unit : bool
        Whether directions are kept at unit length, the gradient taken along the sphere.
    rates : tuple
        1 - beta_1, 1 - beta_2, step size, factor on the root of the second moment, epsilon.
    scratch : ndarray of shape (threads, d)
        Room for one gradient a thread.
    """
    m, d = directions.shape
    left, left_weights, right, right_weights = terms
    keep_first, keep_second, step, root, epsilon = rates
    both = len(right_weights) > 0
    for j in prange(m):
        gradient = scratch[get_thread_id()]
        for k in range(d):
            gradient[k] = 0
        for place in range(ends[j], ends[j + 1]):
            i, weight = rows[place], left_weights[place]
            if both:
                other = right_weights[place]
                for k in range(d):
                    gradient[k] += weight * left[i, k] + other * right[i, k]
            else:
                for k in range(d):
                    gradient[k] += weight * left[i, k]
        direction, mean, square = directions[j], first[j], second[j]
        along = _dot(gradient, direction) if unit else gradient[0] * 0
        length = gradient[0] * 0
        for k in range(d):
            slope = gradient[k] - along * direction[k]
            mean[k] += keep_first * (slope - mean[k])
            square[k] += keep_second * (slope * slope - square[k])
            moved = direction[k] - step * mean[k] / (np.sqrt(square[k]) * root + epsilon)
            direction[k] = moved
            length += moved * moved
        if unit:
            length = 1 / np.sqrt(length)
            for k in range(d):
                direction[k] *= length


@njit(fastmath=LOOSE, cache=True)
def update_biases(bias, first, second, ends, slopes, rates):
    """Take one step of Adam along the gradient of each bias, the sum of its slopes."""
    keep_first, keep_second, step, root, epsilon = rates
    for j in range(len(bias)):
        gradient = bias[j] * 0
        for place in range(ends[j], ends[j + 1]):
            gradient += slopes[place]
        first[j] += keep_first * (gradient - first[j])
        second[j] += keep_second * (gradient * gradient - second[j])
        bias[j] -= step * first[j] / (np.sqrt(second[j]) * root + epsilon)


@njit(parallel=True, fastmath=LOOSE, cache=True)
def round_to_int8(x, values, scales, lengths, errors):
    """Round rows to multiples of a 127th of their largest entry; see `round_rows`."""
    n, d = x.shape
    for i in prange(n):
        largest = abs(x[i, 0])
        for k in range(d):
            largest = max(largest, abs(x[i, k]))
        scale = largest / 127 if largest > 0 else largest + 1
        per_scale = 1 / scale
        square = missed = largest * 0
        for k in range(d):
            multiple = np.rint(x[i, k] * per_scale)
            values[i, k] = np.int8(multiple)
            rounded = multiple * scale
            square += rounded * rounded
            missed += (x[i, k] - rounded) ** 2
        scales[i] = scale
        lengths[i] = np.sqrt(square)
        errors[i] = np.sqrt(missed)
