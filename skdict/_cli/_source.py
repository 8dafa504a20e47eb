"""Name a dictionary on the command line, load it, and write the same as code."""

import shlex

from skdict._cli._options import REQUIRED
from skdict.io import load_dictionary, readable

SOURCE = {
    "dictionary": {
        "nargs": "?",
        "default": REQUIRED,
        "metavar": "SOURCE",
        "help": "dictionary saved by skdict or published: a folder, a file, or a repository on the "
        "Hugging Face hub such as google/gemma-scope-2b-pt-res",
    },
    "--subfolder": {
        "metavar": "PATH",
        "help": "folder or file of one dictionary inside the source",
    },
    "--revision": {"metavar": "NAME", "help": "branch, tag or commit on the hub"},
    "--source-format": {
        "metavar": "NAME",
        "choices": ("auto", *readable()),
        "default": "auto",
        "help": f"format of the source: auto, {', '.join(readable())}",
    },
}


def load_source(options, **others):
    """Load the dictionary that the options of a command name.

    Parameters
    ----------
    options : argparse.Namespace
        Options with the names of `SOURCE`.
    **others : object
        Further arguments of `load_dictionary`.

    Returns
    -------
    estimator
    """
    return load_dictionary(options.dictionary, **_given(options), **others)


def source_code(options):
    """Return Python code that loads the dictionary."""
    named = [f", {name}={value!r}" for name, value in _given(options).items()]
    return f"load_dictionary({options.dictionary!r}{''.join(named)})"


def source_arguments(options, *others):
    """Return the arguments of a command with the same dictionary, as a shell reads them.

    Parameters
    ----------
    options : argparse.Namespace
        Options with the names of `SOURCE`.
    *others : str or path
        Further arguments without a flag, which argparse accepts next to the first one only.

    Returns
    -------
    str
    """
    flags = {"subfolder": "--subfolder", "revision": "--revision", "format": "--source-format"}
    words = [options.dictionary, *map(str, others)]
    for name, value in _given(options).items():
        words += [flags[name], value]
    return shlex.join(words)


def _given(options):
    """Return the arguments of `load_dictionary` that are not defaults."""
    given = {"subfolder": options.subfolder, "revision": options.revision}
    given["format"] = None if options.source_format == "auto" else options.source_format
    return {name: value for name, value in given.items() if value is not None}
