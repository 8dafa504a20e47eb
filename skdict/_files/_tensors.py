"""Arrays in the safetensors format, read once and hashed on the way.

The header is checked before memory is taken: every tensor has a known type and the size that its
shape says, and together they fill the file.
"""

import hashlib
import math
import os
import struct
from dataclasses import dataclass

import numpy as np

from skdict._files._json import MOST_BYTES, parse_json
from skdict._files._regular import open_regular

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}


@dataclass(frozen=True)
class TensorFile:
    """The content of a safetensors file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        bfloat16 as float32.
    metadata : dict of str to str
        Texts kept beside them.
    sha256 : str
        Hash of the file.
    """

    arrays: dict
    metadata: dict
    sha256: str


def read_tensors(path):
    """Return all arrays of a safetensors file.

    Parameters
    ----------
    path : str or path
        A regular file.

    Returns
    -------
    TensorFile

    Raises
    ------
    ValueError
        If it is truncated, has bytes after the tensors, or its header does not fit.
    OSError
        If it is missing or cannot be read.
    """
    try:
        with open_regular(path) as file:
            return _read(file)
    except _DamagedError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as safetensors ({error}); pickles are never loaded: get "
            f"a whole copy, or write it again"
        ) from error
    except MemoryError as error:
        raise ValueError(
            f"{str(path)!r} does not fit in memory ({os.path.getsize(path)} bytes); use a machine "
            f"with more memory"
        ) from error


class _DamagedError(ValueError):
    """What is wrong with a file, without its name."""


def _read(file):
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(MOST_BYTES, size - 8):
        raise _DamagedError(f"a header of {length} bytes in a file of {size}")
    content = file.read(length)
    header = _parse(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _DamagedError("its metadata are not texts")
    entries = _check_entries(header, size - 8 - length)
    digest = hashlib.sha256(start + content)
    arrays = {}
    for name, kind, shape in entries:
        arrays[name] = _read_array(file, kind, shape, digest)
    return TensorFile(arrays, metadata, digest.hexdigest())


def _parse(content):
    try:
        return parse_json(content, "its header")
    except ValueError as error:
        raise _DamagedError(str(error)) from error


def _check_entries(header, n_bytes):
    """Return (name, type, shape) of each tensor in the order of the file."""
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _DamagedError(f"the header says {entry!r:.80} of {name!r:.80}")
        are_counts = all(
            isinstance(entry[key], list) and all(type(n) is int and n >= 0 for n in entry[key])
            for key in ("shape", "data_offsets")
        )
        if not are_counts or len(entry["data_offsets"]) != 2 or str(entry["dtype"]) not in DTYPES:
            raise _DamagedError(f"the header says {entry!r:.80} of {name!r:.80}")
    ordered = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    end = 0
    for name, entry in ordered:
        taken = math.prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
        if entry["data_offsets"] != [end, end + taken]:
            raise _DamagedError(f"{name!r:.80} does not lie where its shape says")
        end += taken
    if end != n_bytes:
        raise _DamagedError(f"its tensors take {end} bytes and the file holds {n_bytes}")
    return [(name, entry["dtype"], tuple(entry["shape"])) for name, entry in ordered]


def _read_array(file, kind, shape, digest):
    try:
        array = np.empty(shape, DTYPES[kind])
    except (ValueError, OverflowError) as error:
        raise _DamagedError(f"the shape {shape} ({error})") from error
    view = memoryview(array.reshape(-1).view(np.uint8))
    if file.readinto(view) != len(view):
        raise _DamagedError("it was cut off while it was read")
    digest.update(view)
    if kind == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
