"""Options of the commands that run a model on texts, and what follows from them."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from skdict._cli._text_formats import SEPARATOR
from skdict._cli._text_lengths import report_characters
from skdict._cli._texts import Texts, read_texts
from skdict.datasets import load_stories
from skdict.feature_extraction import ActivationExtractor
from skdict.models import hook_points


def parse_device_map(text):
    """Return a device map as Transformers takes it: "auto", or a dict given as JSON."""
    if text == "auto":
        return text
    try:
        places = json.loads(text)
    except ValueError:
        places = None
    if not isinstance(places, dict) or not places:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no device map; pass auto, or JSON from module names to devices such as "
            f"'{{\"\": 0}}'"
        )
    return places


READING_ARGUMENTS = {
    "--model": {
        "metavar": "MODEL",
        "help": "name of a model on the Hugging Face hub, a folder, or a .gguf file (default: "
        "the bundled model)",
    },
    "--texts": {
        "metavar": "PATH",
        "type": Path,
        "help": f"a .txt file (lines of {SEPARATOR} separate texts, or else blank lines), a "
        ".jsonl, .csv or .parquet file (one text a record), all in UTF-8, or a folder of such "
        "files (default: the bundled stories)",
    },
    "--field": {
        "metavar": "NAME",
        "default": "text",
        "help": "field of .jsonl, .csv and .parquet that holds the text",
    },
    "--max-length": {
        "metavar": "N",
        "type": int,
        "default": 256,
        "help": "tokens that the model reads together, special tokens included",
    },
    "--long-texts": {
        "choices": ("truncate", "split", "raise"),
        "default": "truncate",
        "help": "treatment of texts longer than --max-length: cut them off, read them in several "
        "windows, or refuse them",
    },
    "--model-dtype": {
        "choices": ("auto", "float32", "bfloat16"),
        "default": "float32",
        "help": "dtype of the model's weights; auto is the dtype they were saved in",
    },
    "--device-map": {
        "metavar": "MAP",
        "type": parse_device_map,
        "help": "placement of a model's modules on several devices: auto, or a JSON object from "
        "module names to devices; needs accelerate (default: all on --device)",
    },
    "--trust-remote-code": {
        "action": "store_true",
        "default": False,
        "help": "run the Python code that a model brings with it; read that code first",
    },
    "--device": {"default": "auto", "help": "auto, cpu, cuda or cuda:0"},
}


def given_texts(options, clock, *, fewest=1):
    """Return the texts that the options name, or the bundled stories, and report their number."""
    found = Texts(load_stories().texts, "the bundled stories")
    if options.texts is not None:
        found = read_texts(options.texts, options.field, fewest=fewest)
    report_characters(found, clock)
    return found


def make_extractor(options, hook_point, **others):
    """Return the extractor that the options describe.

    Parameters
    ----------
    options : Namespace
        Options that `READING_ARGUMENTS` defines.
    hook_point : str or None
        Where to read; None is the residual stream after the middle block.
    **others : dict
        Further parameters of `ActivationExtractor`.

    Returns
    -------
    ActivationExtractor
        Unchecked, unless its model had to be loaded to choose the hook point.
    """
    extractor = ActivationExtractor(
        load_stories().model if options.model is None else options.model,
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


def _middle_hook_point(extractor):
    """Return the name of the residual stream after the middle block of a model."""
    model, _, _ = replace(extractor._reading(), hook_points=()).check()
    places = [name for name in hook_points(model) if name.startswith("resid_post")]
    return places[len(places) // 2]
