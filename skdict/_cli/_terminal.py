"""Results on standard output."""

import json

from skdict._text import printable


def show(text):
    """Print a text; escape sequences, which others may have put into it, are written out."""
    print(printable(text, keep="\n"))


def show_json(results):
    """Print results as JSON, whose own escapes keep all beyond ASCII from the terminal."""
    print(json.dumps(results, indent=1))
