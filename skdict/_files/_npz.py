"""Read npz files of numbers, after checking the header of each array."""

import math
import os
import zipfile

import numpy as np

from skdict._files._arrays import HEADER, MAGIC, MOST_HEADER_BYTES
from skdict._files._regular import open_regular
from skdict._files._zips import DAMAGE, check_stored


def read_npz(path):
    """Read all arrays of an npz file.

    Parameters
    ----------
    path : str or path
        Regular file written by `numpy.savez`.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If the file is damaged or compressed, or holds anything but numbers.
    OSError
        If the file is missing or cannot be read.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = check_stored(archive, os.fstat(file.fileno()).st_size)
                return {_name(entry): _read(archive, entry) for entry in entries}
        except DAMAGE as error:
            raise ValueError(
                f"{str(path)!r} cannot be read as an npz file of numbers ({error}; pickles are "
                f"never loaded); get a complete copy, or write it with numpy.savez"
            ) from error


def _name(entry):
    if not entry.filename.endswith(".npy"):
        raise ValueError(f"{entry.filename[:80]!r} is not an array")
    return entry.filename.removesuffix(".npy")


def _read(archive, entry):
    with archive.open(entry) as file:
        start = file.read(len(MAGIC) + 2)
        length = int.from_bytes(start[-2:], "little")
        match = HEADER.fullmatch(file.read(min(length, MOST_HEADER_BYTES)))
        if start[:-2] != MAGIC or match is None:
            raise ValueError(f"{entry.filename[:80]!r} is not an array of numbers")
        try:
            dtype = np.dtype(match[1].decode())
        except TypeError as error:
            raise ValueError(f"{entry.filename[:80]!r} does not hold numbers") from error
        shape = tuple(int(n) for n in match[3].split(b", ") if n)
        due = math.prod(shape) * dtype.itemsize
        if entry.file_size != len(start) + length + due:
            raise ValueError(f"{entry.filename[:80]!r} has another size than its shape implies")
        in_columns = match[2] == b"True"
        array = np.empty(shape[::-1] if in_columns else shape, dtype)
        view = memoryview(array.reshape(-1).view(np.uint8))
        if file.readinto(view) != len(view):
            raise ValueError(f"{entry.filename[:80]!r} was truncated")
    array = array.T if in_columns else array
    return array.astype(dtype.newbyteorder("="), copy=False)
