"""Arrays in the npy format, mapped once their header agrees with the size of their file."""

import math
import os
import re
import struct

import numpy as np

from skdict._files._regular import open_regular

MAGIC = b"\x93NUMPY\x01\x00"
MOST_HEADER_BYTES = 4096
# What numpy writes for plain arrays of numbers, which are all that is ever stored. A grammar of
# its own, because numpy hands the header to Python's parser, whose errors are of many types.
HEADER = re.compile(
    rb"\{'descr': '([<>|][fiu][1248])', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,19}(?:, \d{1,19})*)?),?\), \} *\n"
)


def map_array(path):
    """Return the array of numbers in an npy file, mapped read-only.

    Parameters
    ----------
    path : str or path
        A regular file that `numpy.save` wrote, in C order.

    Returns
    -------
    memmap

    Raises
    ------
    ValueError
        If it is truncated, has bytes after the array, or holds anything but numbers.
    OSError
        If it is missing or cannot be read.
    """
    with open_regular(path) as file:
        dtype, shape, offset = _read_header(file, path)
        size = os.fstat(file.fileno()).st_size
        due = offset + math.prod(shape) * dtype.itemsize
        if size != due:
            what = "is truncated" if size < due else "is not one array to its end"
            raise ValueError(
                f"{str(path)!r} {what}: it holds {size} bytes where {dtype} of shape {shape} takes "
                f"{due}; get a whole copy, or write it again"
            )
        try:
            return np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{str(path)!r} holds an array of shape {shape}, which cannot be mapped ({error}); "
                f"get a whole copy, or write it again"
            ) from error


def _read_header(file, path):
    """Return dtype, shape and the offset of the first number."""
    start = file.read(len(MAGIC) + 2)
    match = None
    if start[:-2] == MAGIC:
        (length,) = struct.unpack("<H", start[-2:])
        match = HEADER.fullmatch(file.read(min(length, MOST_HEADER_BYTES)))
    if match is None:
        raise ValueError(
            f"{str(path)!r} is truncated or not an array of numbers in C order as numpy.save "
            f"writes it; pickles are never loaded: get a whole copy, or write it again"
        )
    shape = tuple(int(n) for n in match[2].split(b", ") if n)
    return _dtype(match[1].decode(), path), shape, len(start) + length


def _dtype(text, path):
    try:
        return np.dtype(text)
    except TypeError as error:
        raise ValueError(f"{str(path)!r} holds no numbers ({error}); write it again") from error
