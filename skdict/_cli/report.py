"""`skdict report`: write an HTML report on a saved or published dictionary."""

import textwrap
from pathlib import Path

from skdict._cli._clock import Clock
from skdict._cli._held_out import (
    FEWEST_DOCUMENTS,
    STATEMENTS,
    count_documents,
    fitted_on,
    warn_of_few_documents,
)
from skdict._cli._options import STORE, TARGETS, add_command, as_settings
from skdict._cli._snippet import python_snippet
from skdict._cli._source import SOURCE, load_source, source_code
from skdict._cli._terminal import show, show_json
from skdict._cli.show import load_targets, note_other_source
from skdict._outputs import check_output_file
from skdict._validation import check_number
from skdict.activations import Activations
from skdict.decomposition import is_transcoder
from skdict.inspection import write_report
from skdict.interpretation import FeatureInterpreter

DESCRIPTION = """\
Write an HTML report on a saved or published dictionary, with its measures and, for each feature,
the contexts and tokens it fires on and an explanation with its score. The report is a single file
that opens in any browser, without a server or network. For unbiased results pass activations of
held-out texts, on which the dictionary was not fitted.
"""
ARGUMENTS = {
    "dictionary": SOURCE["dictionary"],
    **STORE,
    **SOURCE,
    **TARGETS,
    "--out": {
        "metavar": "FILE",
        "type": Path,
        "default": Path("report.html"),
        "help": "file to write the report to",
    },
    "--title": {
        "metavar": "TEXT",
        "default": "Dictionary report",
        "help": "title of the report",
    },
    "--evaluation": {
        "metavar": "FILE",
        "type": Path,
        "help": "evaluation.json of `evaluate`, to show its table in the summary",
    },
    "--n-explained": {
        "metavar": "N",
        "type": int,
        "default": 150,
        "help": "number of features to explain and score, drawn at random from those that fire; 0 "
        "for none",
    },
}


def add_parser(commands):
    """Add the command to the parser."""
    help = "write an HTML report on a dictionary"
    add_command(commands, "report", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION)


def run(options):
    """Explain some features and write the report."""
    check_number("--n-explained", options.n_explained, low=0, integer=True)
    check_output_file("--out", options.out)
    clock = Clock(silent=options.json)
    dictionary, acts = load_source(options), Activations.load(options.store)
    note_other_source(dictionary, acts)
    targets = load_targets(options, dictionary, acts)
    scores = _explain(options, dictionary, acts, clock) if options.n_explained else None
    shown = {"y": targets, "scores": scores, "title": options.title}
    shown["evaluation"] = options.evaluation
    write_report(options.out, dictionary, acts, **shown, verbose=not options.json)
    results = {
        "out": str(options.out),
        "bytes": options.out.stat().st_size,
        "n_rows": len(acts),
        "fitted_on_these_rows": fitted_on(dictionary, options.store),
    }
    if scores is not None:
        results["interpretation"] = {
            name: None if value != value else value for name, value in scores.report_.items()
        }
    if options.json:
        show_json({"settings": as_settings(options)} | results)
    else:
        kind = {"transcoder": is_transcoder(dictionary), "targets": options.targets}
        code = python_snippet(source_code(options), options.store, scores, **kind)
        _print(options, results, scores, code)


def _explain(options, dictionary, acts, clock):
    """Return an interpreter fitted to the rows, if they come from enough documents."""
    n_documents = count_documents(acts)
    if n_documents < FEWEST_DOCUMENTS:
        raise ValueError(
            f"{options.store} has rows of {n_documents} documents, but explanations need at least "
            f"{FEWEST_DOCUMENTS}, because they are written, selected and scored on different "
            f"documents; run extract on more texts, or pass --n-explained 0 for a report without "
            f"explanations"
        )
    warn_of_few_documents(clock, n_documents)
    clock.say(f"explaining {options.n_explained} features (pass --n-explained 0 to skip this)")
    interpreter = FeatureInterpreter(
        dictionary, n_features=options.n_explained, prefit=True, random_state=0
    )
    return interpreter.fit(acts)


def _print(options, results, scores, code):
    size = results["bytes"] / 1e6
    show(f"{options.out}: {size:.1f} MB, {results['n_rows']} tokens; open it in a browser")
    if scores is not None:
        show("Explanations are scored on documents that were not used to write or to select them.")
    show(STATEMENTS[results["fitted_on_these_rows"]])
    show(f"\nNext step, in Python:\n\n{textwrap.indent(code, '  ')}")
