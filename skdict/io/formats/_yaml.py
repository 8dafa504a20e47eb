"""Parse YAML from untrusted sources."""

import yaml

from skdict._files import read_text

MOST_BYTES, MOST_NESTED = 2**20, 32


def read_yaml(path):
    """Read the mapping in a YAML file.

    Parameters
    ----------
    path : str or path
        Regular file of at most 1 MiB.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the file is too large or not YAML, does not hold a mapping, is nested more than 32 levels
        deep, or contains an alias, which can expand to any size.
    OSError
        If the file is missing or cannot be read.
    """
    text = read_text(path, most=MOST_BYTES)
    try:
        _check_events(text)
        value = yaml.safe_load(text)
        if not isinstance(value, dict):
            raise ValueError(f"it holds {type(value).__name__}, but a mapping is expected")
    # Conversions of single values raise errors of many types.
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{str(path)!r} is not valid YAML ({reason}); get a complete copy"
        ) from error
    return value


def _check_events(text):
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases are not accepted")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} levels deep")
