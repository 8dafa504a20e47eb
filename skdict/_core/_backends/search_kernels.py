"""Compiled loops that find entries; imported only where numba is installed.

Rows of a batch are dealt out to threads in runs, each of which writes the entries it finds into a
stretch of its own.
"""

import numpy as np
from numba import njit, prange

from skdict._core._backends.kernels import LOOSE, dot

# Columns are dealt out to so many groups for each entry of a row that is looked for.
GROUPS = 4


@njit(inline="always")
def _compact(flags, m, found):
    """Write the numbers below m whose flags are up to `found`; return how many they are."""
    # Eight flags at a time, because nearly all are down.
    words = flags.view(np.uint64)
    count = 0
    for word in range(len(words)):
        j, left = 8 * word, words[word]
        while left != 0:
            found[count] = j
            count += left & np.uint64(1)
            left >>= np.uint64(8)
            j += 1
    return count


@njit(fastmath=LOOSE, inline="always")
def _candidates(products, column_bounds, per_scale, length, least, flags, found):
    """Write the columns whose bound exceeds `least` to `found`; return how many they are."""
    scales, bounds, errors = column_bounds
    m = len(products)
    for j in range(m):
        bound = products[j] * scales[j] + (bounds[j] * per_scale + length * errors[j])
        flags[j] = bound > least
    return _compact(flags, m, found)


@njit(parallel=True, fastmath=LOOSE, cache=True)
def find_above(products, x, row_bounds, encoder, bias, cutoff, column_bounds, found, filled):
    """Find the entries above the cutoffs of their features, exactly.

    Parameters
    ----------
    products : ndarray of shape (n, m)
        Narrow products of rows and directions.
    x : ndarray of shape (n, d)
        The rows themselves.
    row_bounds : tuple of ndarray of shape (n,)
        Scales, lengths and margins of the rounded rows.
    encoder, bias, cutoff : ndarray of shape (m, d), (m,) and (m,)
        In full precision.
    column_bounds : tuple of ndarray of shape (m,)
        Scales, raised biases and errors of the rounded encoder.
    found : tuple
        Filled: starts (n,) and counts (n,) of each row's entries among columns (room,) and
        pre-activations (room,), which are dealt out to the threads in equal stretches.
    filled : ndarray of shape (threads,)
        How far each stretch is filled; -1 where there was no room.
    """
    encoding = encoder, bias, cutoff
    n, threads = len(products), len(filled)
    share, room = (n + threads - 1) // threads, len(found[2]) // threads
    for thread in prange(threads):
        rows = thread * share, min(n, (thread + 1) * share)
        stretch = thread * room, room, filled[thread]
        filled[thread] = _above_in_rows(
            rows, stretch, products, x, row_bounds, encoding, column_bounds, found
        )


@njit(fastmath=LOOSE, cache=True)
def _above_in_rows(rows, stretch, products, x, row_bounds, encoding, column_bounds, found):
    """Find the entries of some rows; return how far their stretch is filled, -1 if it is short.

    Parameters
    ----------
    rows : (int, int)
        The first row, and the one after the last.
    stretch : (int, int, int)
        Where it starts in `found`, its room, and how far it is filled.
    """
    encoder, bias, cutoff = encoding
    row_scales, lengths, margins = row_bounds
    starts, counts, columns, pre = found
    first, room, end = stretch
    m = len(bias)
    flags = np.zeros((m + 7) // 8 * 8, dtype=np.uint8)
    candidates = np.empty(m + 8, dtype=np.int32)
    for i in range(rows[0], rows[1]):
        per_scale = 1 / row_scales[i]
        length, least = lengths[i] * per_scale, -margins[i] * per_scale
        count = _candidates(products[i], column_bounds, per_scale, length, least, flags, candidates)
        if end < 0 or end + count > room:
            return -1
        starts[i] = first + end
        for candidate in range(count):
            j = candidates[candidate]
            projection = dot(x[i], encoder[j]) + bias[j]
            if projection > cutoff[j]:
                columns[first + end] = j
                pre[first + end] = projection
                end += 1
        counts[i] = first + end - starts[i]
    return end


@njit(fastmath=LOOSE, cache=True)
def _separator(values, k):
    """Return a number below the k largest positive values, or the k-th largest where it is tied.

    Where fewer than k are positive it is 0. Bisection, whose counts use vectors, is several times
    faster than moving the values.
    """
    low = high = values.dtype.type(0)
    n_above = 0
    for value in values:
        n_above += value > 0
        high = max(high, value)
    if n_above <= k:
        return low
    while True:
        middle = low + (high - low) * values.dtype.type(0.5)
        if middle == low or middle == high:
            return high
        n_above = 0
        for value in values:
            n_above += value > middle
        if n_above == k:
            return middle
        if n_above > k:
            low = middle
        else:
            high = middle


@njit(fastmath=LOOSE, cache=True)
def _likely(k, estimates, tops, flags, found):
    """Write about k columns whose estimates are largest to `found`; return how many they are.

    At least k, or all that are positive. The columns are dealt out to groups: what separates the k
    largest of the largest estimates of the groups separates hardly more than k columns.
    """
    m, n_groups = len(estimates), len(tops)
    tops[:] = estimates[:n_groups]
    for start in range(n_groups, m, n_groups):
        group = estimates[start : min(start + n_groups, m)]
        for j in range(len(group)):
            tops[j] = max(tops[j], group[j])
    least = _separator(tops, k)
    for j in range(m):
        flags[j] = estimates[j] >= least
    return _compact(flags, m, found)


@njit(fastmath=LOOSE, cache=True)
def _reaching(estimates, raises, errors, widest, per_scale, length, least, flags, found):
    """Write the columns whose upper bounds exceed `least` to `found`; return how many they are.

    First those that would if the bounds of all columns were as wide as the widest.
    """
    m = len(estimates)
    least_estimate = least - (widest[0] * per_scale + widest[1] * length)
    for j in range(m):
        flags[j] = estimates[j] > least_estimate
    count = 0
    for place in range(_compact(flags, m, found)):
        j = found[place]
        found[count] = j
        count += estimates[j] + (raises[j] * per_scale + errors[j] * length) > least
    return count


@njit(fastmath=LOOSE, cache=True)
def _project(x, encoder, bias, columns, likely, known, out):
    """Fill out with the pre-activations of columns, of which `known` has those of `likely`."""
    place = 0
    for entry in range(len(columns)):
        j = columns[entry]
        while place < len(likely) and likely[place] < j:
            place += 1
        if place < len(likely) and likely[place] == j:
            out[entry] = known[place]
        else:
            out[entry] = dot(x, encoder[j]) + bias[j]


@njit(fastmath=LOOSE, cache=True)
def _keep_largest(columns, projections, k, out_columns, out_projections):
    """Write the k largest positive entries of a row to out; return how many they are."""
    least = _separator(projections, k)
    count, n_ties = 0, k
    for projection in projections:
        n_ties -= projection > least
    for entry in range(len(columns)):
        projection = projections[entry]
        is_tie = n_ties > 0 and projection == least and least > 0
        if projection > least or is_tie:
            out_columns[count] = columns[entry]
            out_projections[count] = projection
            count += 1
            n_ties -= is_tie
    return count


@njit(fastmath=LOOSE, cache=True)
def _estimate(products, scales, bias, per_scale, estimates):
    for j in range(len(estimates)):
        estimates[j] = products[j] * scales[j] + bias[j] * per_scale


@njit(parallel=True, fastmath=LOOSE, cache=True)
def find_largest(products, x, row_bounds, encoder, bias, k, rounding, column_bounds, found, filled):
    """Find the k largest positive entries of each row, exactly; see `find_above`.

    Entries whose narrow products are largest are computed exactly. The k-th largest of them is a
    proven cutoff: only entries whose bound reaches it can be among the k largest.

    Parameters
    ----------
    k : int
        Entries of a row, at most m.
    rounding : float
        Share of a cutoff by which rounding can lower the bound of what reaches it.
    """
    scales, bounds, errors = column_bounds
    # By how much upper bounds exceed estimates, but for what depends on the row.
    raises = bounds - bias
    widest = raises.max(), errors.max()
    column_bounds = scales, raises, errors
    encoding = encoder, bias, k, rounding
    n, threads = len(products), len(filled)
    share, room = (n + threads - 1) // threads, len(found[2]) // threads
    for thread in prange(threads):
        rows = thread * share, min(n, (thread + 1) * share)
        stretch = thread * room, room, filled[thread]
        filled[thread] = _largest_in_rows(
            rows, stretch, products, x, row_bounds, encoding, column_bounds, widest, found
        )


@njit(cache=True)
def _scratch(bias, k):
    """Return what `_largest_in_rows` fills anew for each row."""
    m = len(bias)
    flags = np.zeros((m + 7) // 8 * 8, dtype=np.uint8)
    likely, reaching = np.empty((2, m + 8), dtype=np.int32)
    exact, projections = np.empty((2, m + 8), dtype=bias.dtype)
    estimates = np.empty(m, dtype=bias.dtype)
    tops = np.empty(min(m, max(GROUPS * k, 64)), dtype=bias.dtype)
    return flags, likely, reaching, exact, projections, estimates, tops


@njit(fastmath=LOOSE, cache=True)
def _largest_in_rows(
    rows, stretch, products, x, row_bounds, encoding, column_bounds, widest, found
):
    """Find the largest entries of some rows; see `_above_in_rows`."""
    encoder, bias, k, rounding = encoding
    row_scales, lengths, margins = row_bounds
    scales, raises, errors = column_bounds
    starts, counts, columns, pre = found
    first, room, end = stretch
    flags, likely, reaching, exact, projections, estimates, tops = _scratch(bias, k)
    for i in range(rows[0], rows[1]):
        if end < 0 or end + k > room:
            return -1
        per_scale = 1 / row_scales[i]
        length = lengths[i] * per_scale
        _estimate(products[i], scales, bias, per_scale, estimates)
        count = _likely(k, estimates, tops, flags, likely)
        known, of = exact[:count], likely[:count]
        _project(x[i], encoder, bias, of, of[:0], known[:0], known)
        cutoff = _separator(known, k)
        least = (cutoff - rounding * cutoff - margins[i]) * per_scale
        count = _reaching(
            estimates, raises, errors, widest, per_scale, length, least, flags, reaching
        )
        _project(x[i], encoder, bias, reaching[:count], of, known, projections[:count])
        here = first + end
        starts[i] = here
        counts[i] = _keep_largest(
            reaching[:count], projections[:count], k, columns[here:], pre[here:]
        )
        end += counts[i]
    return end


@njit(parallel=True, cache=True)
def gather_entries(found, row_ends, columns, pre):
    """Copy the entries that were found so that they follow one another, row by row."""
    starts, counts, from_columns, from_pre = found
    for i in prange(len(starts)):
        there, here = starts[i], row_ends[i]
        for k in range(counts[i]):
            columns[here + k] = from_columns[there + k]
            pre[here + k] = from_pre[there + k]


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
