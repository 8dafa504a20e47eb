"""Find the files of a dictionary, and the format that they are in."""

from pathlib import Path

from skdict._files import restore_interrupted
from skdict.io.formats import FORMATS, refused
from skdict.io.formats._hub import hub_source, is_repository
from skdict.io.formats._source import WEIGHTS, Source

MOST_LISTED = 20
# Files of these look alike, and only the user may know which they are.
AMBIGUOUS = ("gemma_scope", "gemma_scope_transcoder")


def readable():
    """Return the names of the formats that can be read."""
    return [name for name, format in FORMATS.items() if format is not refused]


def written():
    """Return the names of the formats that can be written."""
    return [name for name, format in FORMATS.items() if hasattr(format, "write")]


def open_source(source, *, subfolder=None, revision=None, hook_point=None):
    """Return the `Source` of a path on this machine or of a name on the hub.

    Parameters
    ----------
    source : str or path
        Folder, file, or name of a repository on the hub.
    subfolder : str, optional
        Folder or file inside the source.
    revision : str, optional
        Branch, tag or commit on the hub.
    hook_point : str, optional
        See `Source`.

    Returns
    -------
    Source

    Raises
    ------
    FileNotFoundError
        If there is no such path, and no such name on the hub.
    """
    path = Path(source).expanduser()
    path = path / subfolder if subfolder else path
    restore_interrupted(path)
    if path.is_dir():
        return Source.of_folder(path, hook_point=hook_point)
    if path.exists():
        return Source.of_folder(path.parent, only=path.name, hook_point=hook_point)
    if is_repository(source) and not Path(source).exists():
        return hub_source(source, subfolder, revision, hook_point)
    raise FileNotFoundError(
        f"{str(path)!r} does not exist; pass a folder or file, or a name on the hub such as "
        f"'owner/name'"
    )


def read_source(source, format):
    """Return the dictionary of a source.

    Parameters
    ----------
    source : Source
        Files to read.
    format : str
        Key of `FORMATS`, or "auto" to detect the format.

    Returns
    -------
    estimator

    Raises
    ------
    FileNotFoundError
        If the source is not in a known format, or not in the given one.
    ValueError
        If it cannot be read.
    """
    if format == "auto":
        found = (f for f in FORMATS.values() if f.matches(source))
        chosen = next(found, None)
        if chosen is None:
            raise _unknown(source)
        return chosen.read(source)
    if not FORMATS[format].matches(source) and format not in AMBIGUOUS:
        raise _unknown(source, FORMATS[format].FILES)
    return FORMATS[format].read(source)


def _unknown(source, files=None):
    formats = [f.FILES for f in FORMATS.values() if f is not refused]
    wanted = files or ", ".join(formats)
    names = source.names[:MOST_LISTED]
    more = f" and {len(source.names) - len(names)} more" if len(source.names) > len(names) else ""
    several = sum(name.endswith(WEIGHTS) for name in source.names) > 1
    hint = "one of its files, " if several else ""
    return FileNotFoundError(
        f"{source.origin!r} contains {', '.join(names) or 'no files'}{more}, but none of these: "
        f"{wanted}; pass {hint}a folder in one of these formats, or the path inside it as "
        f"subfolder="
    )
