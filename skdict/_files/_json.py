"""Parse JSON from untrusted sources."""

import json
import math

from skdict._files._regular import read_bytes

# Nested empty lists take about twenty times their bytes in memory: 32 MiB stay below 1 GB.
MOST_BYTES = 32 * 2**20
MOST_NESTED = 32
LARGEST_INTEGER = 2**64
CONTAINERS = {dict, list}


def read_json(path, *, finite=True):
    """Read the object in a JSON file.

    Parameters
    ----------
    path : str or path
        Regular file of at most 32 MiB.
    finite : bool, default=True
        If True, reject NaN and infinities, which Python writes although JSON lacks them.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the file is too large or not a regular file, or `parse_json` rejects its content.
    OSError
        If the file is missing or cannot be read.
    """
    return parse_json(read_bytes(path, most=MOST_BYTES), repr(str(path)), finite=finite)


def parse_json(content, name, *, finite=True):
    """Parse the object in a JSON text.

    Parameters
    ----------
    content : bytes or str
        JSON text; bytes must be UTF-8.
    name : str
        Source of the text, for the message.
    finite : bool, default=True
        If True, reject NaN and infinities, which Python writes although JSON lacks them.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the text is not UTF-8, not JSON or not an object, contains a duplicate name, lists or
        objects nested more than 32 levels deep, an integer beyond 64 bits or, with `finite`, a
        number that is not finite.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(
            text,
            object_pairs_hook=_unique_names,
            parse_int=_bounded,
            parse_float=_finite_number if finite else float,
            parse_constant=_refuse_constant if finite else float,
        )
        # Most files have too few brackets to exceed the limit.
        if text.count("[") + text.count("{") > MOST_NESTED:
            _check_depth(value)
    except RecursionError:
        raise ValueError(f"{name} is not valid JSON (nested too deeply); {_ADVICE}") from None
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON ({error}); {_ADVICE}") from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{name} holds {type(value).__name__}, but an object is expected; {_ADVICE}"
        )
    return value


_ADVICE = "get a complete copy, or write it again"


def _unique_names(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate name {twice!r} in an object")
    return found


def _bounded(text):
    value = int(text)
    if not -LARGEST_INTEGER < value < LARGEST_INTEGER:
        raise ValueError(f"{text[:24]} does not fit in 64 bits")
    return value


def _finite_number(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:24]} is not a finite number")
    return value


def _refuse_constant(text):
    raise ValueError(f"{text} is not a finite number")


def _check_depth(value):
    """Reject values nested so deeply that recursive functions could fail on them."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MOST_NESTED):
        parts = [part.values() if isinstance(part, dict) else part for part in level]
        # Vocabularies are long lists of strings, whose types are collected without a Python loop.
        level = [v for part in parts if CONTAINERS & {*map(type, part)} for v in part]
        level = [v for v in level if type(v) in CONTAINERS]
    if level:
        raise ValueError(f"nested more than {MOST_NESTED} levels deep")
