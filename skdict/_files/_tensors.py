"""Read safetensors files and hash them in the same pass.

The header is checked before memory is allocated: every tensor must have a known dtype and the size
implied by its shape, and together the tensors must fill the file.
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
    """Content of a safetensors file.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Arrays by name, with bfloat16 converted to float32.
    metadata : dict of str to str
        Metadata of the file.
    sha256 : str
        SHA-256 of the file.
    dtypes : dict of str to str
        Dtype of each array in the file, such as "BF16".
    """

    arrays: dict
    metadata: dict
    sha256: str
    dtypes: dict


def read_tensors(path):
    """Read all arrays of a safetensors file.

    Parameters
    ----------
    path : str or path
        Regular file to read.

    Returns
    -------
    TensorFile

    Raises
    ------
    ValueError
        If the file is truncated, has bytes after the tensors, or has an inconsistent header.
    OSError
        If the file is missing or cannot be read.
    """
    try:
        with open_regular(path) as file:
            return _read(file)
    except _DamagedError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as safetensors ({error}; pickles are never loaded); get "
            f"a complete copy, or write it again"
        ) from error
    except MemoryError as error:
        raise ValueError(
            f"{str(path)!r} does not fit in memory ({os.path.getsize(path)} bytes); use a machine "
            f"with more memory"
        ) from error


class _DamagedError(ValueError):
    """Defect of a file, without the file's name."""


def _read(file):
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(MOST_BYTES, size - 8):
        raise _DamagedError(f"its header claims {length} bytes in a file of {size}")
    content = file.read(length)
    header = _parse(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _DamagedError("its metadata are not strings")
    entries = _check_entries(header, size - 8 - length)
    digest = hashlib.sha256(start + content)
    arrays = {}
    for name, kind, shape in entries:
        arrays[name] = _read_array(file, kind, shape, digest)
    dtypes = {name: kind for name, kind, _ in entries}
    return TensorFile(arrays, metadata, digest.hexdigest(), dtypes)


def _parse(content):
    try:
        return parse_json(content, "its header")
    except ValueError as error:
        raise _DamagedError(str(error)) from error


def _check_entries(header, n_bytes):
    """Return the name, type and shape of each tensor in the order of the file."""
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _DamagedError(f"the header has {entry!r:.80} for {name!r:.80}")
        are_counts = all(
            isinstance(entry[key], list) and all(type(n) is int and n >= 0 for n in entry[key])
            for key in ("shape", "data_offsets")
        )
        if not are_counts or len(entry["data_offsets"]) != 2 or str(entry["dtype"]) not in DTYPES:
            raise _DamagedError(f"the header has {entry!r:.80} for {name!r:.80}")
    ordered = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    end = 0
    for name, entry in ordered:
        taken = math.prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
        if entry["data_offsets"] != [end, end + taken]:
            raise _DamagedError(f"the offsets of {name!r:.80} do not match its shape")
        end += taken
    if end != n_bytes:
        raise _DamagedError(f"its tensors take {end} bytes, but the file holds {n_bytes}")
    return [(name, entry["dtype"], tuple(entry["shape"])) for name, entry in ordered]


def _read_array(file, kind, shape, digest):
    try:
        array = np.empty(shape, DTYPES[kind])
    except (ValueError, OverflowError) as error:
        raise _DamagedError(f"invalid shape {shape}: {error}") from error
    view = memoryview(array.reshape(-1).view(np.uint8))
    if file.readinto(view) != len(view):
        raise _DamagedError("it was truncated while being read")
    digest.update(view)
    if kind == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
