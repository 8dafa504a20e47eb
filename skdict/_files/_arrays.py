"""Memory-map npy files after checking their header against the size of the file."""

import math
import os
import re
import struct

import numpy as np

from skdict._files._regular import open_regular

MAGIC = b"\x93NUMPY\x01\x00"
MOST_HEADER_BYTES = 4096
# The header that numpy writes for arrays of numbers. A pattern of our own, because numpy passes the
# header to Python's parser, which can fail with many types of error.
HEADER = re.compile(
    rb"\{'descr': '([<>|][fiu][1248])', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,19}(?:, \d{1,19})*)?),?\), \} *\n"
)


def map_array(path):
    """Memory-map the array of numbers in an npy file, read-only.

    Parameters
    ----------
    path : str or path
        Regular file written by `numpy.save`, in C order.

    Returns
    -------
    memmap

    Raises
    ------
    ValueError
        If the file is truncated, has bytes after the array, or holds anything but numbers.
    OSError
        If the file is missing or cannot be read.
    """
    with open_regular(path) as file:
        dtype, shape, offset = _read_header(file, path)
        size = os.fstat(file.fileno()).st_size
        due = offset + math.prod(shape) * dtype.itemsize
        if size != due:
            what = "is truncated" if size < due else "has extra bytes after the array"
            raise ValueError(
                f"{str(path)!r} {what}: it has {size} bytes, but {dtype} of shape {shape} takes "
                f"{due}; get a complete copy, or write it again"
            )
        try:
            return np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=shape)
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{str(path)!r} holds an array of shape {shape}, which cannot be mapped ({error}); "
                f"get a complete copy, or write it again"
            ) from error


def _read_header(file, path):
    """Return dtype, shape and offset of the data."""
    start = file.read(len(MAGIC) + 2)
    match = None
    if start[:-2] == MAGIC:
        (length,) = struct.unpack("<H", start[-2:])
        match = HEADER.fullmatch(file.read(min(length, MOST_HEADER_BYTES)))
    if match is None or match[2] == b"True":
        raise ValueError(
            f"{str(path)!r} is truncated, or not an array of numbers in C order written by "
            f"numpy.save (pickles are never loaded); get a complete copy, or write it again"
        )
    shape = tuple(int(n) for n in match[3].split(b", ") if n)
    return _dtype(match[1].decode(), path), shape, len(start) + length


def _dtype(text, path):
    try:
        return np.dtype(text)
    except TypeError as error:
        raise ValueError(
            f"{str(path)!r} does not hold numbers ({error}); write it again"
        ) from error
