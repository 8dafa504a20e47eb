"""Load a model and its tokenizer from a name, a folder, a GGUF file or a loaded pair."""

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from torch import nn

from skdict._core import resolve_device
from skdict.models._gguf import check_gguf, read_gguf
from skdict.models._placement import check_placement, check_used_as_loaded
from skdict.models._token_checks import check_tokenizer

ACCEPTED = (
    "pass the name of a model on the Hugging Face hub, a folder written by save_pretrained, a "
    "GGUF file, or a loaded pair (model, tokenizer)"
)


def load_model(
    model,
    *,
    device=None,
    revision=None,
    model_dtype="float32",
    device_map=None,
    trust_remote_code=False,
):
    """Return a model and its tokenizer.

    A model given by name, folder or GGUF file is put in evaluation mode and loaded once per
    process, or again if its files have changed. A loaded pair is returned unchanged, on its
    current device.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Name on the Hugging Face hub, folder, GGUF file (needs ``pip install skdict[gguf]``), or
        a loaded model with its tokenizer.
    device : torch.device, optional
        Device to load the model on; the CPU by default.
    revision : str, optional
        Branch, tag or commit on the hub.
    model_dtype : {"auto", "float32", "bfloat16"}, default="float32"
        Precision to load the weights in. "auto" keeps the precision of the files; quantized
        weights of a GGUF file are then loaded in float32.
    device_map : dict, "auto" or None, default=None
        Device of each module, in place of `device`, as for `from_pretrained` in transformers.
        "auto" fills the GPUs first, then CPU memory, then the disk. Requires the package
        accelerate.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with the model on the hub or in the folder. Read
        that code first: it runs with your permissions.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        The model and its tokenizer. A newly loaded model is in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If a path does not exist or does not contain a model.
    ValueError
        If the model cannot be loaded, an option is invalid, or `model_dtype`, `device_map` or
        `trust_remote_code` is given for a loaded pair.
    TypeError
        If `model` or an option has the wrong type.
    ImportError
        If the packages needed for a GGUF file or for `device_map` are not installed.
    """
    check_placement(model_dtype, device, device_map)
    if not isinstance(trust_remote_code, bool):
        raise TypeError(
            f"trust_remote_code={trust_remote_code!r} is not accepted: pass True or False"
        )
    if isinstance(model, (str, Path)):
        name = str(Path(model).expanduser()) if str(model).startswith("~") else str(model)
        placement = tuple(device_map.items()) if isinstance(device_map, dict) else device_map
        device = str(device or "cpu") if placement is None else None
        stamp = file_stamp(name)
        return _load_once(name, device, revision, model_dtype, placement, trust_remote_code, stamp)
    if not isinstance(model, tuple) or len(model) != 2 or not hasattr(model[0], "forward"):
        raise TypeError(f"model is {type(model).__name__}; {ACCEPTED}")
    check_used_as_loaded(model[0], model_dtype, device_map, trust_remote_code)
    return model


def loaded_model(model):
    """Return a model as a module, loading it with `load_model` on the best device if needed."""
    if isinstance(model, nn.Module):
        return model
    return load_model(model, device=resolve_device("auto"))[0]


def loaded_pair(model, *, device="auto", revision=None, trust_remote_code=False):
    """Return a model and its tokenizer, loaded by `load_model`.

    Raises
    ------
    TypeError
        If the model is passed without its tokenizer.
    """
    if isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__} without its tokenizer, which is needed to read "
            f"texts; pass the pair (model, tokenizer), a name or a folder"
        )
    loaded, tokenizer = load_model(
        model,
        device=resolve_device(device),
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    check_tokenizer(tokenizer)
    return loaded, tokenizer


def describe_model(model):
    """Return the name under which a model is recorded.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Model as passed by the user.

    Returns
    -------
    str
        The name or path as given, or the class name of a loaded model.
    """
    return str(model) if isinstance(model, (str, Path)) else type(model[0]).__name__


def file_stamp(name):
    """Return names, times and sizes of the files of a model, or None for a name on the hub."""
    path = Path(name).expanduser()
    if not path.exists():
        return None
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in files)


@lru_cache(maxsize=4)
def _load_once(name, device, revision, model_dtype, placement, trust_remote_code, stamp):
    # The stamp is only part of the cache key: changed files get a new entry.
    device_map = dict(placement) if isinstance(placement, tuple) else placement
    return read_model(
        name,
        device=device,
        revision=revision,
        model_dtype=model_dtype,
        device_map=device_map,
        trust_remote_code=trust_remote_code,
    )


def read_model(
    name,
    *,
    device=None,
    revision=None,
    model_dtype="float32",
    device_map=None,
    trust_remote_code=False,
):
    """Load a model and its tokenizer from a name, a folder or a GGUF file, without caching.

    Parameters
    ----------
    name : str
        Name on the hub, or path.
    device, revision, model_dtype, device_map, trust_remote_code
        Same as in `load_model`.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        The model, in evaluation mode, and its tokenizer.
    """
    import torch

    _check_source(name)
    options = {} if device_map is None else {"device_map": device_map}
    options["trust_remote_code"] = trust_remote_code
    options["dtype"] = model_dtype if model_dtype == "auto" else getattr(torch, model_dtype)
    with _no_loading_bar():
        try:
            if Path(name).is_file():
                loaded, tokenizer = read_gguf(name, **options)
            else:
                loaded, tokenizer = _read_pretrained(name, revision, **options)
        # A damaged file or a wrong device map can raise anything, depending on the library.
        except Exception as error:
            _refuse_code(name, error)
            reason = str(error).strip().split("\n")[0]
            where = "" if device_map is None else f" with device_map={device_map!r}"
            raise ValueError(
                f"model={name!r} could not be loaded{where} ({reason}); {ACCEPTED}"
            ) from error
    if device_map is None:
        loaded.to(device or "cpu")
    return loaded.eval(), tokenizer


def _refuse_code(name, error):
    """Raise an explanatory ValueError if a model was not loaded because it needs remote code."""
    if "trust_remote_code" in str(error):
        raise ValueError(
            f"model={name!r} can only be loaded by running Python code that comes with it, and "
            f"that code was not run; read it, then pass trust_remote_code=True "
            f"(--trust-remote-code), or load the model yourself and pass (model, tokenizer)"
        ) from error


def _check_source(name):
    """Raise for a path that does not lead to a model; any other name may be on the hub."""
    path = Path(name)
    if path.is_file():
        check_gguf(name)
    elif path.suffix == ".gguf" and not path.exists():
        raise FileNotFoundError(f"model={name!r}: no such file; {ACCEPTED}")
    elif not path.exists() and (path.is_absolute() or name.startswith(".")):
        raise FileNotFoundError(f"model={name!r}: no such folder; {ACCEPTED}")
    elif path.exists() and not (path / "config.json").is_file():
        raise FileNotFoundError(f"model={name!r} contains no config.json; {ACCEPTED}")


def _read_pretrained(name, revision, *, trust_remote_code, **options):
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

    source = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = AutoConfig.from_pretrained(name, **source)
    architectures = " ".join(config.architectures or [])
    writes = "CausalLM" in architectures or "LMHead" in architectures
    kind = AutoModelForCausalLM if writes else AutoModel
    return (
        kind.from_pretrained(name, **source, **options),
        AutoTokenizer.from_pretrained(name, **source),
    )


@contextmanager
def _no_loading_bar():
    """Hide the progress bar that transformers shows for every weight file."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
