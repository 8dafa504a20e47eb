"""Options of a command, from its defaults, a settings file and the command line."""

import argparse
import json
from pathlib import Path

import yaml

from skdict._files import replace_file

REQUIRED = object()
STORE = {
    "store": {
        "nargs": "?",
        "type": Path,
        "default": REQUIRED,
        "metavar": "STORE",
        "help": "folder of saved activations",
    }
}
TARGETS = {
    "--targets": {
        "metavar": "STORE",
        "type": Path,
        "help": "for a transcoder: folder of saved activations at the hook point that it predicts, "
        "extracted from the same texts; without it, the fraction of variance unexplained is left "
        "out",
    }
}
COMMON = {
    "--settings": {
        "metavar": "FILE",
        "type": Path,
        "help": "YAML or JSON file with values for these options; options given on the command "
        "line take precedence",
    },
    "--json": {
        "action": "store_true",
        "default": False,
        "help": "print only the results, as JSON on standard output",
    },
}


def add_command(commands, name, run, *, arguments, help, description, resumes=False):
    """Add a command to the parser.

    Parameters
    ----------
    commands : argparse subparsers
        Subparsers to add the command to.
    name : str
        Name of the command.
    run : callable
        Function that runs the command, given its options as a namespace.
    arguments : dict of str to dict
        Keyword arguments of `add_argument` for each argument. An argument whose `default` is
        `REQUIRED` must be given on the command line or in the settings file.
    help, description : str
        Short and long help texts.
    resumes : bool, default=False
        If True, running the same command again resumes an interrupted run.
    """
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions, defaults = {}, {}
    for flag, details in (arguments | COMMON).items():
        details = {"default": None} | details
        default = details.pop("default")
        if not any(default is absent for absent in (None, False, REQUIRED)):
            details["help"] += f" (default: {default})"
        # Leave options that were not given unset, so that a settings file can provide them.
        absent = argparse.SUPPRESS if flag.startswith("-") else None
        action = parser.add_argument(flag, default=absent, **details)
        actions[action.dest], defaults[action.dest] = action, default

    def settle_and_run(options):
        run(_settle(vars(options), actions, defaults))

    parser.set_defaults(run=settle_and_run)
    if resumes:
        hint = "; finished work is kept, run the same command again to resume"
        parser.set_defaults(after_interruption=hint)


def save_settings(folder, settings):
    """Write the settings of a result to its folder, as a file for `--settings`."""
    content = json.dumps(settings, indent=1) + "\n"
    replace_file(Path(folder) / "settings.json", content.encode())


def as_settings(options, **used):
    """Return options as JSON values, replacing defaults by the values actually used."""
    settings = {k: v for k, v in vars(options).items() if k not in ("settings", "json")} | used
    return {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()}


def _settle(given, actions, defaults):
    # Arguments that accept any number of values are empty lists if they are not given.
    given = {name: v for name, v in given.items() if name in actions and v not in (None, [])}
    path = given.get("settings")
    filed = {} if path is None else _read_settings(path, actions)
    settled = defaults | filed | given
    missing = [name for name, value in settled.items() if value is REQUIRED]
    if missing:
        flags = [actions[name].option_strings or [name.upper()] for name in missing]
        names = ", ".join(f[0] for f in flags)
        raise ValueError(f"missing {names}; pass it on the command line or in --settings FILE")
    return argparse.Namespace(**settled)


def _read_settings(path, actions):
    """Read, check and convert the options of a settings file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"--settings {path}: {error.strerror.lower()}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())
        raise ValueError(f"--settings {path}: not valid YAML or JSON ({line})") from error
    if content is None:
        return {}
    accepted = sorted(name.replace("_", "-") for name in actions if name != "settings")
    if not isinstance(content, dict):
        raise ValueError(
            f"--settings {path}: not a mapping of options; accepted options are "
            f"{', '.join(accepted)}"
        )
    content = {str(name).replace("-", "_"): value for name, value in content.items()}
    unknown = [name.replace("_", "-") for name in content if name.replace("_", "-") not in accepted]
    if unknown:
        raise ValueError(
            f"--settings {path}: unknown option {', '.join(unknown)}; accepted options are "
            f"{', '.join(accepted)}"
        )
    return {
        name: _convert(f"--settings {path}: {name}={value!r}", value, actions[name])
        for name, value in content.items()
        if value is not None
    }


def _as_argument(value):
    """Return a value of a settings file as command-line text."""
    if isinstance(value, dict):
        return json.dumps(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _convert(told, value, action):
    """Convert a value of a settings file as the command line would."""
    is_flag = action.nargs == 0
    if is_flag != isinstance(value, bool):
        wanted = "true or false" if is_flag else "a value, not true or false"
        raise ValueError(f"{told} is not accepted: pass {wanted}")
    if is_flag:
        return value
    if isinstance(action, argparse._AppendAction) or action.nargs == "*":
        items = value if isinstance(value, list) else [value]
        return [(action.type or str)(str(item)) for item in items]
    text = _as_argument(value)
    try:
        value = (action.type or str)(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"{told} is not accepted: {error}") from error
    if action.choices and value not in action.choices:
        raise ValueError(f"{told} is not accepted: pass one of {', '.join(action.choices)}")
    return value
