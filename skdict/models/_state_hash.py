"""A hash of Python state (settings, functions, tensors) by content, never by address."""

import functools
import hashlib
import logging
import os
import threading
import types
import weakref
import zlib
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import PurePath

import numpy as np
import torch
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

PLAIN = (
    types.NoneType,
    types.EllipsisType,
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    slice,
    Enum,
    PurePath,
    np.generic,
    torch.dtype,
    torch.device,
    torch.layout,
)
# Names and paths, and what models and tokenizers record about themselves at run time.
IGNORED = frozenset(
    "name_or_path _name_or_path _commit_hash transformers_version generation_config model_tags "
    "warnings_issued deprecation_warnings init_kwargs init_inputs "
    "_output_capturing_hooks_installed".split()
)
LOCKS = (type(threading.Lock()), type(threading.RLock()))
MOST_NESTED = 60
TENSORS = (torch.Tensor, nn.Parameter, nn.Buffer)
_digests = WeakTensorKeyDictionary()


class NotHashedError(ValueError):
    """Some state cannot be hashed by content."""


class StateHash:
    """A running hash of values.

    Equal content gives equal hashes in every process. Content that cannot be read, such as an
    object of a compiled extension that cannot be pickled, raises `NotHashedError`.

    Parameters
    ----------
    names : dict of int to str
        Name of each module that is hashed separately, by `id`. Elsewhere, its name represents it.
    digests : dict of int to bytes
        Result of `tensor_digests`, by `id` of the tensor.
    """

    def __init__(self, names, digests):
        self._names, self._digests = names, digests
        self._hash, self._seen, self._depth = hashlib.sha256(), {}, 0

    def hexdigest(self):
        """Return the hash of everything added so far."""
        return self._hash.hexdigest()

    def add(self, value, where):
        """Add a value to the hash.

        Parameters
        ----------
        value : object
            Value to add.
        where : str
            Description of the value for the error message.

        Raises
        ------
        NotHashedError
            If the value cannot be hashed by content.
        """
        if isinstance(value, PLAIN):
            return self._tell(f"{type(value).__qualname__} {value!r}")
        if id(value) in self._names:
            return self._tell(f"module {self._names[id(value)]}")
        if id(value) in self._seen:
            return self._tell(f"again {self._seen[id(value)][0]}")
        # Keep a reference, so that no other object can get the same id.
        self._seen[id(value)] = len(self._seen), value
        if self._depth > MOST_NESTED:
            raise NotHashedError(f"{where} is nested more than {MOST_NESTED} levels deep")
        self._depth += 1
        self._add_by_kind(value, where)
        self._depth -= 1
        return None

    def _add_by_kind(self, value, where):
        for kind, add in _ADDED.items():
            if isinstance(value, kind):
                return add(self, value, where)
        self._tell(f"{type(value).__module__}.{type(value).__qualname__}")
        # Called first, because it raises for objects that hold more than their attributes.
        reduced = _reduced(value, where)
        if hasattr(value, "__dict__"):
            self._add_attributes(value, where)
        return self.add(reduced, where)

    def _add_tensor(self, tensor, where):
        if tensor.is_meta:
            raise NotHashedError(f"{where} is offloaded, so its values are not in memory")
        self._tell(f"{type(tensor).__qualname__} {tensor.dtype} {tuple(tensor.shape)}")
        if type(tensor) not in TENSORS:
            self._add_attributes(tensor, where)
        if hasattr(tensor, "__tensor_flatten__"):
            inner, context = tensor.__tensor_flatten__()
            return self.add([[getattr(tensor, name) for name in inner], context], where)
        if tensor.is_quantized:
            return self.add(_dequantizing_parts(tensor), where)
        try:
            self._tell(self._digests.get(id(tensor)) or _tensor_digest(tensor))
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise NotHashedError(f"{where} is a {tensor.layout} tensor ({error})") from error
        return None

    def _add_array(self, array, where):
        if array.dtype.hasobject:
            return self.add(array.tolist(), where)
        self._tell(f"array {array.dtype} {array.shape}")
        return self._hash.update(np.ascontiguousarray(array).tobytes())

    def _add_sequence(self, items, where):
        self._tell(f"{type(items).__qualname__} {len(items)}")
        for number, item in enumerate(items):
            self.add(item, f"{where}[{number}]")

    def _add_set(self, items, where):
        hashes = []
        for item in items:
            part = StateHash(self._names, self._digests)
            part.add(item, where)
            hashes.append(part.hexdigest())
        self._tell(f"set {' '.join(sorted(hashes))}")

    def _add_mapping(self, mapping, where):
        items = [(k, v) for k, v in mapping.items() if not (isinstance(k, str) and k in IGNORED)]
        self._tell(f"{type(mapping).__qualname__} {len(items)}")
        for key, value in items:
            self.add(key, where)
            self.add(value, f"{where}[{key!r}]")

    def _add_function(self, function, where):
        self._tell(f"function {function.__module__}.{function.__qualname__}")
        self.add(function.__code__, where)
        self.add(function.__defaults__, where)
        self.add(function.__kwdefaults__, where)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                self.add(cell.cell_contents, f"{where}, {name} of {function.__qualname__}")
            except ValueError as error:
                if isinstance(error, NotHashedError):
                    raise
                self._tell("empty cell")

    def _add_code(self, code, where):
        self._tell(f"code {code.co_code.hex()} {code.co_names} {code.co_varnames}")
        self.add(code.co_consts, where)

    def _add_module(self, module, where):
        self._tell(f"{type(module).__module__}.{type(module).__qualname__}")
        self.add([dict(module._parameters), dict(module._buffers), dict(module._modules)], where)
        self.add({k: v for k, v in vars(module).items() if k not in TORCH_OWN}, where)

    def _add_attributes(self, value, where):
        for name, attribute in sorted(vars(value).items()):
            if name not in IGNORED:
                self._tell(name)
                self.add(attribute, f"{where}.{name}")

    def _tell(self, text):
        text = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        self._hash.update(b"%d:%b" % (len(text), text))


def _reduced(value, where):
    """Return what pickle would store of an object, one level deep."""
    try:
        return value.__reduce_ex__(4)
    except Exception as error:
        raise NotHashedError(
            f"the content of {where} ({type(value).__name__}) cannot be read"
        ) from error


def _named(state, value, where):
    state._tell(f"{value.__module__}.{value.__qualname__}")


def _builtin(state, value, where):
    state._tell(f"builtin {value.__module__}.{value.__qualname__}")
    if not isinstance(value.__self__, (types.ModuleType, types.NoneType)):
        state.add(value.__self__, where)


def _method(state, value, where):
    state.add(value.__func__, where)
    state.add(value.__self__, where)


def _partial(state, value, where):
    state.add([value.func, value.args, value.keywords], where)


_ADDED = {
    torch.Tensor: StateHash._add_tensor,
    nn.Module: StateHash._add_module,
    np.ndarray: StateHash._add_array,
    (list, tuple): StateHash._add_sequence,
    (set, frozenset): StateHash._add_set,
    (dict, types.MappingProxyType): StateHash._add_mapping,
    types.FunctionType: StateHash._add_function,
    types.CodeType: StateHash._add_code,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    functools.partial: _partial,
    type: _named,
    types.ModuleType: lambda state, value, where: state._tell(value.__name__),
    logging.Logger: lambda state, value, where: state._tell(value.name),
    LOCKS: lambda state, value, where: state._tell("lock"),
    weakref.ReferenceType: lambda state, value, where: state.add(value(), where),
}
# Attributes of every module, including hooks and mode; `fingerprint` handles them itself.
TORCH_OWN = frozenset(vars(nn.Module()))


def _dequantizing_parts(tensor):
    """Return what determines the values of a quantized tensor."""
    scheme = tensor.qscheme()
    if scheme in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        scales = tensor.q_scale(), tensor.q_zero_point()
    else:
        scales = (tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points())
        scales += (tensor.q_per_channel_axis(),)
    return [str(scheme), tensor.int_repr(), *scales]


def tensor_digests(tensors):
    """Return the digests of plain tensors by `id`, computed in several threads."""
    plain = [
        t
        for t in tensors
        if type(t) in TENSORS and t.layout == torch.strided and not (t.is_meta or t.is_quantized)
    ]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return {
            id(t): digest for t, digest in zip(plain, pool.map(_tensor_digest, plain), strict=True)
        }


def _tensor_digest(tensor):
    """Return the SHA-256 of a tensor's values, recomputed only if their CRC-32 has changed.

    Weights can be modified without torch noticing (`tensor.data`, a numpy view), so neither the
    version counter nor the address shows that they are unchanged. All values are therefore read
    every time, with a checksum that is several times faster than SHA-256.
    """
    values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    checksum = zlib.crc32(values), len(values)
    known, digest = _digests.get(tensor, (None, None))
    if known != checksum:
        digest = hashlib.sha256(values).digest()
        _digests[tensor] = checksum, digest
    return digest
