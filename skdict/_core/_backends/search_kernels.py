"""Compiled loops that search for entries; imported only if numba is installed.

Each thread processes a run of consecutive rows and writes the entries it finds to its own segment
of the output.
"""

import numpy as np
from numba import njit, prange

from skdict._core._backends.kernels import LOOSE, dot

# Number of groups of columns per entry to find in a row.
GROUPS = 4


@njit(inline="always")
def _compact(flags, m, found):
    """Write the indices below m whose flags are set to `found`; return their number."""
    # Read eight flags at a time, because nearly all are zero.
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
    """Write the columns whose bound exceeds `least` to `found`; return their number."""
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
        Low-precision products of rows and directions.
    x : ndarray of shape (n, d)
        Rows in full precision.
    row_bounds : tuple of ndarray of shape (n,)
        Scales, lengths and margins of the rounded rows.
    encoder, bias, cutoff : ndarray of shape (m, d), (m,) and (m,)
        Encoder directions, bias and cutoffs in full precision.
    column_bounds : tuple of ndarray of shape (m,)
        Scales, raised biases and errors of the rounded encoder.
    found : tuple
        Output: starts (n,) and counts (n,) of the entries of each row in the arrays of columns
        (room,) and pre-activations (room,), which are divided into equal segments for the threads.
    filled : ndarray of shape (threads,)
        Number of entries in each segment; -1 if a segment was too small.
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
    """Find the entries of some rows; return how far their segment is filled, -1 if too small.

    Parameters
    ----------
    rows : (int, int)
        Start and stop of the range of rows.
    stretch : (int, int, int)
        Start of the segment in `found`, its size, and how far it is filled.
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
    """Return a number that separates the k largest positive values from the rest.

    If the k-th largest value is tied, return that value; if at most k values are positive, return
    0. Bisection with vectorised counts is several times faster than partitioning the values.
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
    """Write about k columns with the largest estimates to `found`; return their number.

    There are at least k, or all that are positive. The columns are divided into groups: a cutoff
    that separates the k largest of the group maxima keeps only slightly more than k columns.
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
    """Write the columns whose upper bounds exceed `least` to `found`; return their number.

    A first pass applies the widest error bound to all columns, a second pass each column's own.
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
    """Fill `out` with the pre-activations of columns, taking those of `likely` from `known`."""
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
    """Write the k largest positive entries of a row to the output; return their number."""
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

    The entries with the largest low-precision products are computed exactly. The k-th largest of
    them is a valid cutoff: only entries whose bound reaches it can be among the k largest.

    Parameters
    ----------
    k : int
        Maximum number of entries per row, at most m.
    rounding : float
        Fraction of a cutoff by which rounding can lower the bound of a value that reaches it.
    """
    scales, bounds, errors = column_bounds
    # The part of the difference between upper bounds and estimates that is the same for all rows.
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
    """Allocate the buffers that `_largest_in_rows` reuses for each row."""
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
    """Copy the entries found into contiguous arrays, row by row."""
    starts, counts, from_columns, from_pre = found
    for i in prange(len(starts)):
        there, here = starts[i], row_ends[i]
        for k in range(counts[i]):
            columns[here + k] = from_columns[there + k]
            pre[here + k] = from_pre[there + k]


@njit(parallel=True, fastmath=LOOSE, cache=True)
def round_to_int8(x, values, scales, lengths, errors):
    """Round rows to multiples of 1/127 of their largest absolute entry; see `round_rows`."""
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
