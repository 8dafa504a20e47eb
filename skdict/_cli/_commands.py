"""Run a command and report any failure in one line."""

import argparse
import os
import sys

from skdict import __version__
from skdict._cli import convert, demo, evaluate, extract, fit, report, show
from skdict._text import printable

DESCRIPTION = """\
skdict finds interpretable features in language-model activations: it reads the activations of
a model on texts, fits a sparse dictionary to them, and shows what each feature responds to.
"""
EPILOG = """\
To get started, run: python -m skdict demo

Errors are reported in one line, with exit code 1. Set SKDICT_TRACEBACK=1 to see the traceback.
"""
DONE, FAILED, INTERRUPTED = 0, 1, 130
# Their messages are clear without the name of the class.
TOLD = (ValueError, TypeError, OSError, ImportError, MemoryError)


class Parser(argparse.ArgumentParser):
    """Parser that raises errors instead of printing them and exiting."""

    def error(self, message):
        """Raise `ValueError` with the message of the error."""
        raise ValueError(f"{message}; see {self.prog} --help")


def run_command(arguments=None):
    """Run one command.

    Parameters
    ----------
    arguments : list of str or None, default=None
        Name of the command and its arguments; None for the arguments of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 130 interrupted. A failure prints one line on standard error.
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
        # The reader of the output has gone, so discard the rest instead of failing on it again.
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
    for command in (demo, extract, fit, evaluate, report, show, convert):
        command.add_parser(commands)
    parser.set_defaults(after_interruption="")
    return parser


def _told(error):
    """Return an error as one line that is safe to print."""
    text = " ".join(str(error).split())
    if not text or not isinstance(error, TOLD):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return printable(text)
