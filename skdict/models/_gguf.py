"""Models in GGUF files, read by transformers as plain models."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

MAGIC = b"GGUF"
UNQUANTIZED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def check_gguf(name):
    """Refuse a file that is not GGUF, and GGUF where the packages that read it are missing.

    Parameters
    ----------
    name : str
        Path of a file.

    Raises
    ------
    ValueError
        If the file does not begin as GGUF does.
    ImportError
        If a package is missing or too old.
    """
    import transformers

    with Path(name).open("rb") as file:
        begins = file.read(len(MAGIC))
    if begins != MAGIC:
        raise ValueError(
            f"model={name!r} is a file but not a GGUF file (it begins with {begins!r}, not "
            f"{MAGIC!r}); pass a GGUF file, or the folder that save_pretrained wrote"
        )
    installed = all(find_spec(package) is not None for package in ("gguf", "accelerate"))
    if not installed or not hasattr(transformers, "GgufConfig"):
        raise ImportError(
            f"model={name!r} is a GGUF file, which needs the packages gguf, accelerate and a "
            f"recent transformers: install them with pip install 'skdict[gguf]'"
        )


def read_gguf(name, *, dtype, trust_remote_code=False, **options):
    """Return the model and the tokenizer of a GGUF file.

    All weights are dequantized: the model is an ordinary one that can be saved and trained.

    Parameters
    ----------
    name : str
        Path of the file.
    dtype : torch.dtype or "auto"
        Precision of the weights. "auto" means that of the file, and float32 for a file with
        quantized weights.
    trust_remote_code : bool, default=False
        Allow code that comes with the model to run.
    **options : dict
        Passed to `from_pretrained` of the model.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        Both named after the file.

    Raises
    ------
    ValueError
        If weights of the model are not in the file.
    """
    import transformers

    with _alone(name) as folder:
        source = {
            "pretrained_model_name_or_path": folder,
            "gguf_file": Path(name).name,
            "trust_remote_code": trust_remote_code,
        }
        config = transformers.AutoConfig.from_pretrained(**source)
        writes = type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING
        auto = transformers.AutoModelForCausalLM if writes else transformers.AutoModel
        model, found = auto.from_pretrained(
            **source,
            config=config,
            dtype=_stored_dtype(name) if dtype == "auto" else dtype,
            # Without it some architectures keep their weights packed, behind kernels of their own.
            quantization_config=transformers.GgufConfig(dequantize=True),
            output_loading_info=True,
            **options,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise ValueError(
            f"it lacks {len(missing)} weights of a {type(model).__name__}, such as {missing[0]}; "
            f"merge a model that is split over several files first"
        )
    model.config.name_or_path = tokenizer.name_or_path = name
    return model, tokenizer


@contextmanager
def _alone(name):
    """Give a folder that holds one file and nothing else.

    From the file's own folder transformers would also take the tokenizer or the adapter of
    another model, if they are there.
    """
    with TemporaryDirectory() as folder:
        (Path(folder) / Path(name).name).symlink_to(Path(name).resolve())
        yield folder


def _stored_dtype(name):
    import torch
    from gguf import GGUFReader

    types = {tensor.tensor_type.name for tensor in GGUFReader(name).tensors}
    # Norms are float32 in any file, so the half-precision type is the model's.
    halves = types - {"F32"}
    stored = halves.pop() if len(halves) == 1 else "F32"
    return getattr(torch, UNQUANTIZED.get(stored, "float32"))
