"""Run a command; whatever goes wrong is told in one line."""

import argparse
import os
import sys

from skdict import __version__
from skdict._cli import demo, extract, fit, report, show
from skdict._text import printable

DESCRIPTION = """\
skdict takes the hidden features out of language models: it reads a model's activations on
texts, learns a sparse dictionary of them, and shows what each feature responds to.
"""
EPILOG = """\
Start with: python -m skdict demo

An error is one line and the exit code 1; SKDICT_TRACEBACK=1 shows where it arose.
"""
DONE, FAILED, INTERRUPTED = 0, 1, 130
# Their messages say all, without the name of the class.
TOLD = (ValueError, TypeError, OSError, ImportError, MemoryError)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are raised and not printed."""

    def error(self, message):
        """Raise what is wrong with the arguments (`ValueError`)."""
        raise ValueError(f"{message}; see {self.prog} --help")


def run_command(arguments=None):
    """Run one command.

    Parameters
    ----------
    arguments : list of str or None, default=None
        Name of the command and its arguments; None for those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 130 interrupted. Failures are one line on standard error.
    """
    hint = ""
    try:
        options = _parser().parse_args(arguments)
        hint = options.after_interruption
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"skdict: interrupted{hint}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Who read the output has left; what is still to be written would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if os.environ.get("SKDICT_TRACEBACK"):
            raise
        print(f"skdict: error: {_told(error)}", file=sys.stderr)
        return FAILED
    return DONE


def _parser():
    parser = Parser(
        prog="skdict",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skdict {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, extract, fit, report, show):
        command.add_parser(commands)
    parser.set_defaults(after_interruption="")
    return parser


def _told(error):
    """Return an error as one line that is safe to show."""
    text = " ".join(str(error).split())
    if not text or not isinstance(error, TOLD):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return printable(text)
