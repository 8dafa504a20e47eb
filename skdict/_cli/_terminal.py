"""Print results on standard output."""

import json

from skdict._text import printable


def show(text):
    """Print a text, escaping control sequences that untrusted sources may have put into it."""
    print(printable(text, keep="\n"))


def show_json(results):
    """Print results as JSON, which escapes everything but printable ASCII."""
    print(json.dumps(results, indent=1))
