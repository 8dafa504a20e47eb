"""Read tensors from torch files without running code from them.

torch loads them with ``weights_only=True``, which admits tensors and plain values. The directory of
the file is checked first, because a compressed entry, or a storage that claims more bytes than the
file has, could take any amount of memory.
"""

import os
import zipfile

import numpy as np
import torch

from skdict._files import DAMAGE, check_stored, open_regular

# Training checkpoints hold the state of an optimiser deeper than this, which is not read.
MOST_NESTED = 2
FLOATS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
INTEGERS = {torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool}


def read_torch(path):
    """Read the tensors and plain values of a torch file.

    Parameters
    ----------
    path : str or path
        Regular file written by `torch.save` (PyTorch 1.6 or later) that holds a dict.

    Returns
    -------
    arrays : dict of str to ndarray
        Tensors by name, with bfloat16 converted to float32. Those of a dict inside the dict are
        named "outer.inner".
    plain : dict of str to object
        Numbers, strings and None by name, in the same way.
    dtypes : dict of str to str
        Dtype of each floating-point array in the file, such as "BF16".

    Raises
    ------
    ValueError
        If the file is damaged, compressed or of an older format, or holds other objects.
    OSError
        If the file is missing or cannot be read.
    """
    size = _checked_size(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content, dict):
            raise ValueError(f"it holds {type(content).__name__}, but a dict is expected")
        found = {}, {}, {}
        _collect(content, "", size, *found)
    # A damaged or hostile pickle can raise anything.
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise _unreadable(path, f"{type(error).__name__}: {reason}") from error
    return found


def _checked_size(path):
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                check_stored(archive, size)
        except DAMAGE as error:
            raise _unreadable(path, error) from error
    return size


def _unreadable(path, reason):
    return ValueError(
        f"{str(path)!r} cannot be read as a torch file of tensors ({reason}; only tensors and "
        f"plain values are loaded, in the zip format of PyTorch 1.6 and later); get a complete "
        f"copy, or save its state_dict again with torch.save"
    )


def _collect(values, prefix, size, arrays, plain, dtypes):
    """Sort the values of nested dicts into arrays and plain values."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            if prefix.count(".") < MOST_NESTED - 1:
                _collect(value, f"{name}.", size, arrays, plain, dtypes)
        elif isinstance(value, torch.Tensor):
            arrays[name] = _as_array(name, value.detach(), size)
            if value.dtype in FLOATS:
                dtypes[name] = FLOATS[value.dtype]
        elif value is None or isinstance(value, (bool, int, float, str)):
            plain[name] = value


def _as_array(name, tensor, size):
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(f"{name[:80]!r} is a {tensor.layout} tensor on {tensor.device}")
    if tensor.dtype not in FLOATS and tensor.dtype not in INTEGERS:
        raise ValueError(f"{name[:80]!r} has dtype {tensor.dtype}")
    # A view can repeat a small storage any number of times.
    if tensor.numel() * tensor.element_size() > size:
        raise ValueError(f"{name[:80]!r} claims more bytes than the file has")
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    # Copied, because the tensors are views of the file, which can change.
    return np.array(tensor.numpy())
