"""The command line: `python -m skdict`."""

import argparse
import sys

from skdict import __version__
from skdict._cli import demo, extract, fit, report, show

DESCRIPTION = """\
skdict takes the hidden features out of language models: it reads a model's activations on
texts, learns a sparse dictionary of them, and shows what each feature responds to.
"""


def main(arguments=None):
    """Run one command and return its exit code: 0 done, 2 bad input, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="skdict",
        description=DESCRIPTION,
        epilog="Start with: python -m skdict demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skdict {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, extract, fit, report, show):
        command.add_parser(commands)
    parser.set_defaults(after_interruption="")
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print(f"skdict: interrupted{options.after_interruption}", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError) as error:
        print(f"skdict: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
