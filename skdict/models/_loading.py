"""A name, a folder or a loaded pair becomes a model and its tokenizer."""

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

ACCEPTED = (
    "pass the name of a model on the Hugging Face hub, a folder that save_pretrained wrote, or "
    "a pair (model, tokenizer) of loaded ones"
)


def load_model(model, *, device, revision=None):
    """Return a model and its tokenizer.

    Names and folders are loaded once per process, in float32 and evaluation mode, on the
    device. A loaded pair is given back as it is, where it is.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Which model.
    device : torch.device
        Where a model given by name or folder runs.
    revision : str, optional
        Branch, tag or commit on the hub.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        The model, in evaluation mode where it was loaded here, and its tokenizer.

    Raises
    ------
    FileNotFoundError
        If a path leads nowhere, or to no model.
    ValueError
        If a name cannot be loaded.
    TypeError
        If `model` is of another kind.
    """
    if isinstance(model, (str, Path)):
        name = str(Path(model).expanduser()) if str(model).startswith("~") else str(model)
        return _load(name, str(device), revision, _stamp(name))
    if not isinstance(model, tuple) or len(model) != 2 or not hasattr(model[0], "forward"):
        raise TypeError(f"model is {type(model).__name__}; {ACCEPTED}")
    return model


def describe_model(model):
    """Return what names a model in a record: its name or folder, or its class.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Which model.

    Returns
    -------
    str
        The name or folder as given, or the name of the class of a loaded model.
    """
    return str(model) if isinstance(model, (str, Path)) else type(model[0]).__name__


@contextmanager
def evaluation_mode(model):
    """Run a model without dropout, and leave it in the mode it was in.

    Parameters
    ----------
    model : Module
        A loaded model; each of its modules gets its own mode back, also after an error.

    Yields
    ------
    None
        Nothing: the model itself is in evaluation mode inside the block.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _stamp(model):
    """Return what changes when the files of a folder do, so that none is used stale."""
    folder = Path(model)
    if not folder.is_dir():
        return None
    return tuple(sorted((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in folder.iterdir()))


@lru_cache(maxsize=4)
def _load(name, device, revision, stamp):
    is_path = Path(name).is_absolute() or name.startswith(".")
    if stamp is None and is_path:
        raise FileNotFoundError(f"model={name!r}: there is no such folder; {ACCEPTED}")
    if stamp is not None and not (Path(name) / "config.json").is_file():
        raise FileNotFoundError(f"model={name!r} holds no config.json; {ACCEPTED}")
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

    with _no_loading_bar():
        try:
            config = AutoConfig.from_pretrained(name, revision=revision)
            architectures = " ".join(config.architectures or [])
            writes = "CausalLM" in architectures or "LMHead" in architectures
            kind = AutoModelForCausalLM if writes else AutoModel
            loaded = kind.from_pretrained(name, revision=revision, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
        except (OSError, ValueError, SafetensorError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ValueError(
                f"model={name!r} could not be loaded ({reason}); {ACCEPTED}"
            ) from error
    return loaded.to(device).eval(), tokenizer


@contextmanager
def _no_loading_bar():
    """Silence the bar that transformers shows for every weight file."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
