"""`skdict convert`: write a dictionary in the format of skdict or of another library."""

from pathlib import Path

from skdict._cli._options import REQUIRED, add_command, as_settings
from skdict._cli._source import SOURCE, load_source
from skdict._cli._terminal import show, show_json
from skdict.decomposition import is_transcoder
from skdict.io import save_dictionary, written

DESCRIPTION = """\
Load a dictionary or transcoder from a folder, a file or the Hugging Face hub, and write it in the
format of skdict or of another library. Codes and reconstructions stay the same up to rounding; what
a format cannot hold is refused.
"""
ARGUMENTS = {
    "dictionary": SOURCE["dictionary"],
    "out": {
        "nargs": "?",
        "type": Path,
        "default": REQUIRED,
        "metavar": "OUT",
        "help": "folder to write to",
    },
    "--format": {
        "metavar": "NAME",
        "choices": written(),
        "default": "skdict",
        "help": f"format to write: {', '.join(written())}",
    },
    **{name: details for name, details in SOURCE.items() if name.startswith("-")},
    "--model": {"metavar": "NAME", "help": "model to record (default: that of the source)"},
    "--hook-point": {
        "metavar": "NAME",
        "help": "hook point to record, such as resid_post.9 (default: that of the source)",
    },
    "--target-hook-point": {
        "metavar": "NAME",
        "help": "hook point of a transcoder's targets to record, such as mlp_out.9 (default: that "
        "of the source)",
    },
}


def add_parser(commands):
    """Add the command to the parser."""
    help = "write a dictionary in the format of another library"
    add_command(commands, "convert", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION)


def run(options):
    """Load the dictionary and write it."""
    dictionary = load_source(options, hook_point=options.hook_point)
    metadata = dict(getattr(dictionary, "metadata_", {}))
    for name in ("model", "target_hook_point"):
        if getattr(options, name) is not None:
            metadata[name] = getattr(options, name)
    save_dictionary(dictionary, options.out, format=options.format, metadata=metadata)
    n_components, width = dictionary.components_.shape
    results = {
        "out": str(options.out),
        "format": options.format,
        "kind": "transcoder" if is_transcoder(dictionary) else "dictionary",
        "n_components": n_components,
        "width": width,
        "metadata": metadata,
    }
    if options.json:
        show_json({"settings": as_settings(options)} | results)
        return
    show(
        f"{options.out}: {results['kind']} with {n_components:,} features of width {width:,}, in "
        f"the format {options.format}"
    )
    stated = [f"{name} {metadata[name]}" for name in ("model", "hook_point") if metadata.get(name)]
    show(f"It belongs to {', '.join(stated)}." if stated else "It states no model or hook point.")
