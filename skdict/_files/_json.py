"""JSON that may come from anywhere."""

import json
import math

from skdict._files._regular import read_bytes

# Nested empty lists take some twenty times their bytes: 32 MiB stay below 1 GB.
MOST_BYTES = 32 * 2**20
MOST_NESTED = 32
LARGEST_INTEGER = 2**64
CONTAINERS = {dict, list}


def read_json(path, *, finite=True):
    """Return the object in a JSON file.

    Parameters
    ----------
    path : str or path
        A regular file of at most 32 MiB.
    finite : bool, default=True
        Refuse NaN and infinities, which JSON does not have and Python writes.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        As `parse_json`; if the file is too large or not a regular file.
    OSError
        If it is missing or cannot be read.
    """
    return parse_json(read_bytes(path, most=MOST_BYTES), repr(str(path)), finite=finite)


def parse_json(content, name, *, finite=True):
    """Return the object in JSON text.

    Parameters
    ----------
    content : bytes or str
        The text; bytes are UTF-8.
    name : str
        The text's source, for the message.
    finite : bool, default=True
        Refuse NaN and infinities, which JSON does not have and Python writes.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not UTF-8 or not JSON, holds something other than an object, a name twice, lists
        or objects nested more than 32 deep, a whole number beyond 64 bits or, with `finite`, a
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
        # Most files have fewer brackets than may be nested, which settles the matter at once.
        if text.count("[") + text.count("{") > MOST_NESTED:
            _check_depth(value)
    except RecursionError:
        raise ValueError(f"{name} is not JSON (it is nested too deeply); {_ADVICE}") from None
    except ValueError as error:
        raise ValueError(f"{name} is not JSON ({error}); {_ADVICE}") from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{name} holds {type(value).__name__} where an object is expected; {_ADVICE}"
        )
    return value


_ADVICE = "get a whole copy, or write it again"


def _unique_names(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return found


def _bounded(text):
    value = int(text)
    if not -LARGEST_INTEGER < value < LARGEST_INTEGER:
        raise ValueError(f"{text[:24]} is beyond 64 bits")
    return value


def _finite_number(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:24]} is not a finite number")
    return value


def _refuse_constant(text):
    raise ValueError(f"{text} is not a finite number")


def _check_depth(value):
    """Refuse what is nested so deeply that a recursive function could not follow."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MOST_NESTED):
        parts = [part.values() if isinstance(part, dict) else part for part in level]
        # Vocabularies are long lists of texts: their types are gathered without a loop.
        level = [v for part in parts if CONTAINERS & {*map(type, part)} for v in part]
        level = [v for v in level if type(v) in CONTAINERS]
    if level:
        raise ValueError(f"it is nested more than {MOST_NESTED} deep")
