"""Models in GGUF files, loaded by transformers as ordinary models."""

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

MAGIC = b"GGUF"
UNQUANTIZED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def check_gguf(name):
    """Check that a file is a GGUF file and that the packages to read it are installed.

    Parameters
    ----------
    name : str
        Path of a file.

    Raises
    ------
    ValueError
        If the file does not start with the GGUF magic bytes.
    ImportError
        If a package is missing or too old.
    """
    import transformers

    with Path(name).open("rb") as file:
        begins = file.read(len(MAGIC))
    if begins != MAGIC:
        raise ValueError(
            f"model={name!r} is a file but not a GGUF file (it begins with {begins!r}, not "
            f"{MAGIC!r}); pass a GGUF file, or the folder written by save_pretrained"
        )
    installed = all(find_spec(package) is not None for package in ("gguf", "accelerate"))
    if not installed or not hasattr(transformers, "GgufConfig"):
        raise ImportError(
            f"model={name!r} is a GGUF file, which needs the packages gguf, accelerate and a "
            f"recent transformers; install them with pip install 'skdict[gguf]'"
        )


def read_gguf(name, *, dtype, trust_remote_code=False, **options):
    """Return the model and the tokenizer of a GGUF file.

    All weights are dequantized, so the result is an ordinary model that can be saved and trained.

    Parameters
    ----------
    name : str
        Path of the file.
    dtype : torch.dtype or "auto"
        Precision of the weights. "auto" keeps the precision of the file, or uses float32 if its
        weights are quantized.
    trust_remote_code : bool, default=False
        If True, allow Python code that comes with the model to run.
    **options : dict
        Passed to `from_pretrained` of the model.

    Returns
    -------
    (PreTrainedModel, PreTrainedTokenizerBase)
        The model and its tokenizer, both with the path of the file as their name.

    Raises
    ------
    ValueError
        If the file lacks weights of the model.
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
            # Otherwise some architectures keep their weights packed and use their own kernels.
            quantization_config=transformers.GgufConfig(dequantize=True),
            output_loading_info=True,
            **options,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise ValueError(
            f"the file lacks {len(missing)} weights of a {type(model).__name__}, such as "
            f"{missing[0]}; if the model is split over several files, merge them first"
        )
    model.config.name_or_path = tokenizer.name_or_path = name
    return model, tokenizer


@contextmanager
def _alone(name):
    """Yield a folder that contains one file and nothing else.

    In the file's own folder, transformers would also pick up the tokenizer or adapter of any
    other model stored there.
    """
    with TemporaryDirectory() as folder:
        (Path(folder) / Path(name).name).symlink_to(Path(name).resolve())
        yield folder


def _stored_dtype(name):
    import torch
    from gguf import GGUFReader

    types = {tensor.tensor_type.name for tensor in GGUFReader(name).tensors}
    # Norms are stored in float32 in any file, so a half-precision type is that of the model.
    halves = types - {"F32"}
    stored = halves.pop() if len(halves) == 1 else "F32"
    return getattr(torch, UNQUANTIZED.get(stored, "float32"))
