"""`skdict show`: evaluate a saved or published dictionary on a store of activations."""

import argparse
import shlex
import sys
from dataclasses import asdict

import numpy as np
import scipy.sparse

from skdict._cli._held_out import STATEMENTS, fitted_on
from skdict._cli._options import STORE, TARGETS, add_command, as_settings
from skdict._cli._source import SOURCE, load_source, source_arguments
from skdict._cli._terminal import show, show_json
from skdict._core import iter_blocks
from skdict._text import printable
from skdict._validation import check_features, check_number, check_targets
from skdict.activations import Activations
from skdict.decomposition import is_transcoder
from skdict.inspection import summarize_features
from skdict.metrics import compare_dictionaries

DESCRIPTION = """\
Evaluate a saved or published dictionary on a store of activations, and print contexts in which
some of its features fire. For unbiased results pass activations of held-out texts, on which the
dictionary was not fitted.
"""


def _features(text):
    """Parse a list of feature numbers such as 1,2,3."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of features; pass numbers such as 1,2,3"
        ) from None


ARGUMENTS = {
    "dictionary": SOURCE["dictionary"],
    **STORE,
    **SOURCE,
    **TARGETS,
    "--features": {
        "metavar": "I,J,...",
        "type": _features,
        "help": "features to print (default: drawn at random from those that fire)",
    },
    "--n-features": {
        "metavar": "N",
        "type": int,
        "default": 8,
        "help": "number of features to draw if --features is not given",
    },
    "--n-contexts": {
        "metavar": "N",
        "type": int,
        "default": 4,
        "help": "number of contexts to print per feature",
    },
}
WITHOUT_TARGETS = (
    "\nThe fraction of variance unexplained is left out; pass --targets to measure it."
)
FEWEST_FIRINGS = 50
BLOCK_BYTES = 2**24


def add_parser(commands):
    """Add the command to the parser."""
    help = "print the measures and features of a dictionary"
    add_command(commands, "show", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION)


def run(options):
    """Evaluate the dictionary, summarise some features, and print the results."""
    for name in ("n_features", "n_contexts"):
        flag = "--" + name.replace("_", "-")
        check_number(flag, getattr(options, name), low=0, integer=True)
    dictionary, acts = load_source(options), Activations.load(options.store)
    n_components = len(dictionary.components_)
    if options.features is not None:
        check_features(options.features, n_components, name="--features")
    note_other_source(dictionary, acts)
    targets = load_targets(options, dictionary, acts)
    measures = _measures(dictionary, acts, targets)
    features = options.features
    if features is None:
        features = _draw(dictionary, acts, options.n_features)
    codes = _codes_of(dictionary, acts, features)
    summaries = summarize_features(codes, acts, features, n_contexts=options.n_contexts)
    results = {
        "settings": as_settings(options),
        "n_rows": len(acts),
        "fitted_on_these_rows": fitted_on(dictionary, options.store),
        "measures": measures,
        "features": [asdict(summary) for summary in summaries],
    }
    if options.json:
        show_json(results)
    else:
        _print(options, results, n_components, summaries)


def _print(options, results, n_components, summaries):
    measures = results["measures"]
    show(
        f"On {results['n_rows']} rows: {_fvu_in_words(options, measures)}"
        f"{measures['l0']:.1f} of {n_components} features fire per token; {measures['n_dead']} "
        f"never fire.\n{STATEMENTS[results['fitted_on_these_rows']]}"
        f"{'' if 'fvu' in measures else WITHOUT_TARGETS}\n"
    )
    show("\n\n".join(map(str, summaries)))
    targets = "" if options.targets is None else f" --targets {shlex.quote(str(options.targets))}"
    command = source_arguments(options, options.store)
    show(f"\nNext step:\n\n  python -m skdict report {command}{targets}")


def _fvu_in_words(options, measures):
    if "fvu" not in measures:
        return ""
    of = "variance" if options.targets is None else "the targets' variance"
    return f"fraction of {of} unexplained {measures['fvu']:.4g}; "


def _measures(dictionary, acts, targets):
    """Return the measures of a dictionary; a transcoder without targets has no FVU."""
    if is_transcoder(dictionary) and targets is None:
        counts = _count_firings(dictionary, acts)
        return {
            "n_components": len(counts),
            "l0": float(counts.sum() / len(acts)),
            "n_dead": int((counts == 0).sum()),
            "density": float(np.median(counts) / len(acts)),
        }
    table = compare_dictionaries({"dictionary": dictionary}, None, acts, y_test=targets)
    return {name: value for name, value in table.records[0].items() if name != "dictionary"}


def load_targets(options, dictionary, acts):
    """Return the activations of `--targets`; None if the option is not given."""
    if options.targets is None:
        return None
    if not is_transcoder(dictionary):
        raise ValueError(
            f"--targets is for transcoders, but {options.dictionary} holds a "
            f"{type(dictionary).__name__}; leave it out"
        )
    targets = Activations.load(options.targets)
    width = dictionary.components_.shape[1]
    return check_targets(acts, targets, type(dictionary).__name__, width=width)


def note_other_source(dictionary, acts):
    """Print a note if dictionary and rows come from different models or hook points."""
    theirs = getattr(dictionary, "metadata_", {})
    for name in ("model", "hook_point"):
        pair = theirs.get(name), acts.metadata.get(name)
        if None not in pair and pair[0] != pair[1]:
            told = f"the {name} of the dictionary is {pair[0]!r}, that of the rows {pair[1]!r}"
            print(f"skdict: note: {printable(told)}", file=sys.stderr)


def _draw(dictionary, acts, n_features):
    """Draw features at random from those that fire often enough."""
    counts = _count_firings(dictionary, acts)
    alive = np.flatnonzero((counts > 0) & (counts >= min(FEWEST_FIRINGS, counts.max())))
    return sorted(np.random.default_rng(0).permutation(alive)[:n_features].tolist())


def _count_firings(dictionary, acts):
    """Return the number of rows on which each feature fires."""
    counts = np.zeros(len(dictionary.components_), dtype=np.int64)
    for _, codes in _code_blocks(dictionary, acts):
        counts += np.bincount(codes.indices[codes.data > 0], minlength=len(counts))
    return counts


def _codes_of(dictionary, acts, features):
    """Return the codes of some features as a CSC array with a column for every feature."""
    width = len(dictionary.components_)
    rows, columns, values = [], [], []
    for start, codes in _code_blocks(dictionary, acts):
        part = codes.tocsc()[:, features].tocoo()
        rows.append(part.row + start)
        columns.append(np.asarray(features, dtype=np.int64)[part.col])
        values.append(part.data)
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.csc_array(entries, shape=(len(acts), width))


def _code_blocks(dictionary, acts):
    for start, block in iter_blocks(acts, block_bytes=BLOCK_BYTES):
        yield start, scipy.sparse.csr_array(dictionary.transform(block))
