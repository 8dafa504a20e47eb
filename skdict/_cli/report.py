"""`skdict report`: a page on a saved dictionary, from a store of activations."""

import sys
from pathlib import Path

from skdict._cli._options import DICTIONARY, STORE, add_command, as_settings
from skdict._cli._terminal import show, show_json
from skdict._cli.show import note_other_source
from skdict._outputs import check_output_file
from skdict._validation import check_number
from skdict.activations import Activations
from skdict.inspection import write_report
from skdict.interpretation import FeatureInterpreter
from skdict.io import load_dictionary

DESCRIPTION = """\
Write one HTML page on a saved dictionary: its measures, and for each feature the texts it fires
on, its tokens and an explanation with a score. It opens in any browser, without server or network.
For honest figures pass activations of texts that the dictionary was not fitted on.
"""
ARGUMENTS = {
    **DICTIONARY,
    **STORE,
    "--out": {
        "metavar": "FILE",
        "type": Path,
        "default": Path("report.html"),
        "help": "the page to write",
    },
    "--title": {"metavar": "TEXT", "default": "Dictionary report", "help": "shown on top"},
    "--n-explained": {
        "metavar": "N",
        "type": int,
        "default": 150,
        "help": "features to explain and score, drawn at random from those that fire; 0 for none",
    },
}


def add_parser(commands):
    """Add the command to the parser."""
    help = "a page on a saved dictionary, to open in a browser"
    add_command(commands, "report", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION)


def run(options):
    """Explain some features and write the page."""
    check_number("--n-explained", options.n_explained, low=0, integer=True)
    check_output_file("--out", options.out)
    dictionary, acts = load_dictionary(options.dictionary), Activations.load(options.store)
    note_other_source(dictionary, acts)
    scores = None
    if options.n_explained:
        if not options.json:
            told = f"explaining {options.n_explained} features, which --n-explained 0 leaves out"
            print(f"skdict: {told}", file=sys.stderr)
        scores = FeatureInterpreter(
            dictionary, n_features=options.n_explained, prefit=True, random_state=0
        ).fit(acts)
    write_report(
        options.out, dictionary, acts, scores=scores, title=options.title, verbose=not options.json
    )
    results = {"out": str(options.out), "bytes": options.out.stat().st_size, "n_rows": len(acts)}
    if scores is not None:
        results["interpretation"] = {
            name: None if value != value else value for name, value in scores.report_.items()
        }
    if options.json:
        show_json({"settings": as_settings(options)} | results)
    else:
        size = results["bytes"] / 1e6
        show(f"{options.out}: {size:.1f} MB on {len(acts)} tokens; open it in a browser")
