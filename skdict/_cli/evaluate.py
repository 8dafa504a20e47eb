"""`skdict evaluate`: all measures of saved dictionaries on a running model."""

import argparse
from pathlib import Path

from sklearn.utils import Bunch

from skdict._cli._clock import Clock
from skdict._cli._options import REQUIRED, add_command, as_settings, save_settings
from skdict._cli._reading import READING_ARGUMENTS, given_texts, make_extractor
from skdict._cli._terminal import show, show_json
from skdict._cli.show import note_other_source
from skdict._outputs import check_output_folder
from skdict._validation import check_number
from skdict.evaluation import evaluate_dictionary
from skdict.interpretation import InterpretabilityScorer
from skdict.io import load_dictionary

DESCRIPTION = """\
Measure saved dictionaries on a model and texts: reconstruction, loss recovered, sparse probing,
absorption, probe perturbation and, if asked for, interpretability. Several dictionaries of one
hook point share one pass of the model. Pass texts that no dictionary was fitted on.

Results of each part are kept in --out. Run the same command again to resume after an interruption
or to add dictionaries.
"""


def _names(text):
    """Parse a list of names such as loss,absorption."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of parts; pass names such as loss,absorption"
        )
    return names


ARGUMENTS = {
    "sources": {
        "nargs": "*",
        "type": Path,
        "default": REQUIRED,
        "metavar": "SOURCE",
        "help": "folders of saved dictionaries",
    },
    # Losses are measured on truncated texts, so all parts read them so.
    **{flag: details for flag, details in READING_ARGUMENTS.items() if flag != "--long-texts"},
    "--hook-point": {
        "metavar": "NAME",
        "help": "hook point of the dictionaries (default: the one stored with them)",
    },
    "--n-tokens": {
        "metavar": "N",
        "type": int,
        "default": 100_000,
        "help": "number of tokens to encode",
    },
    "--n-loss-tokens": {
        "metavar": "N",
        "type": int,
        "default": 10_000,
        "help": "number of tokens to measure losses on",
    },
    "--n-explained": {
        "metavar": "N",
        "type": int,
        "default": 0,
        "help": "number of features to explain and score; 0 leaves interpretability out",
    },
    "--skip": {
        "metavar": "PART,...",
        "type": _names,
        "default": None,
        "help": "parts to leave out: reconstruction, loss, probing, absorption, perturbation or "
        "stability",
    },
    "--out": {
        "metavar": "FOLDER",
        "type": Path,
        "default": Path("evaluation"),
        "help": "folder for the activations, the results and the table",
    },
}


def add_parser(commands):
    """Add the command to the parser."""
    help = "print all measures of saved dictionaries on a model"
    options = {"arguments": ARGUMENTS, "help": help, "description": DESCRIPTION}
    add_command(commands, "evaluate", run, resumes=True, **options)


def run(options):
    """Evaluate the dictionaries and print the table."""
    check_number("--n-explained", options.n_explained, low=0, integer=True)
    check_output_folder("--out", options.out)
    clock = Clock(silent=options.json)
    dictionaries = _load(options.sources)
    extractor = _extractor(options, dictionaries)
    model, tokenizer, _ = extractor._reading().check()
    texts = given_texts(options, clock).texts
    n_explained = options.n_explained
    scorers = [InterpretabilityScorer(n_features=n_explained)] if n_explained else []
    with clock.python_warnings():
        evaluation = evaluate_dictionary(
            dictionaries,
            (model, tokenizer),
            texts,
            hook_point=options.hook_point,
            n_tokens=options.n_tokens,
            n_loss_tokens=options.n_loss_tokens,
            scorers=scorers,
            skip=options.skip or (),
            folder=options.out,
            max_length=options.max_length,
            verbose=not options.json,
        )
    _report(options, evaluation, clock)


def _load(sources):
    """Return dictionaries by the shortest ends of their paths that tell them apart."""
    paths = [path.resolve() for path in sources]
    if not paths or len(set(paths)) < len(paths):
        raise ValueError(
            f"SOURCE is {' '.join(map(str, sources)) or 'missing'}; pass at least one folder of a "
            f"saved dictionary, each once"
        )
    for n in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-n:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return {name: load_dictionary(path) for name, path in zip(names, sources, strict=True)}


def _extractor(options, dictionaries):
    """Return the extractor of the model, after a note if a dictionary is of another model."""
    options.long_texts = "truncate"
    first = next(iter(dictionaries.values()))
    extractor = make_extractor(options, options.hook_point or first.metadata_.get("hook_point"))
    metadata = {"model": str(extractor.model), "hook_point": extractor.hook_point}
    for dictionary in dictionaries.values():
        note_other_source(dictionary, Bunch(metadata=metadata))
    return extractor


def _report(options, evaluation, clock):
    settings = as_settings(options, sources=[str(path) for path in options.sources])
    save_settings(options.out, {k: v for k, v in settings.items() if k != "long_texts"})
    if options.json:
        show_json(evaluation.to_dict() | {"elapsed": clock.seconds()})
        return
    show(evaluation.to_markdown())
    show(
        f"{options.out / 'evaluation.json'} and evaluation.md hold this table.\n"
        f"\nNext step:\n\n"
        f"  python -m skdict report {options.sources[0]} {options.out / 'activations'} "
        f"--evaluation {options.out / 'evaluation.json'}"
    )
