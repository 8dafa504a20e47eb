"""Read the texts for a command from a file or a folder of files."""

import stat
from typing import NamedTuple

from skdict._cli._text_formats import PARSERS, SEPARATOR, parse_file

ACCEPTED = "pass a .txt, .jsonl, .csv or .parquet file, or a folder of such files"
SEPARATED = (
    f"in .txt files, texts are separated by lines of {SEPARATOR}, or by blank lines if there are "
    f"none; in .jsonl, .csv and .parquet files, each record is one text"
)


class Texts(NamedTuple):
    """Texts, their origin, and counts of what was skipped.

    Parameters
    ----------
    texts : list of str
        Texts that are not blank.
    origin : str
        Description of the source, for progress messages.
    n_empty : int
        Number of records skipped because their text is empty.
    n_ignored : int
        Number of entries of a folder ignored because they are not files of texts.
    """

    texts: list
    origin: str
    n_empty: int = 0
    n_ignored: int = 0


def read_texts(path, field="text", *, fewest=1):
    """Read the texts of a file or folder.

    Parameters
    ----------
    path : Path
        A .txt, .jsonl, .csv or .parquet file in UTF-8, or a folder. The files of these types in a
        folder are read in the order of their names; hidden files, other files and subfolders are
        ignored.
    field : str, default="text"
        Field that holds the text, in formats with fields.
    fewest : int, default=1
        Smallest accepted number of texts.

    Returns
    -------
    Texts
        Texts found. Texts of .txt files are stripped of surrounding white space; those of records
        are unchanged.

    Raises
    ------
    ValueError
        If a file cannot be read or is malformed, or there are too few texts; the message names the
        file and the location in it.
    """
    is_folder = stat.S_ISDIR(_mode(path))
    files, n_ignored = _files_of(path) if is_folder else ([path], 0)
    texts, n_empty = [], 0
    for file in files:
        found, skipped = _read_file(file, field)
        texts += found
        n_empty += skipped
    if len(texts) < fewest:
        number = f"{len(texts)} text{'s' if len(texts) != 1 else ''}"
        empty = f" ({n_empty} empty skipped)" if n_empty else ""
        raise ValueError(
            f"--texts {path}: contains {number}{empty}; pass at least {fewest} ({SEPARATED})"
        )
    return Texts(texts, str(path), n_empty, n_ignored)


def _files_of(folder):
    """Return the files of texts in a folder, sorted by name, and the number of other entries."""
    entries = sorted(folder.iterdir())
    files = [
        entry
        for entry in entries
        if entry.suffix.lower() in PARSERS and not entry.name.startswith(".") and not entry.is_dir()
    ]
    if not files:
        raise ValueError(
            f"--texts {folder}: none of its {len(entries)} entries is a file of texts (subfolders "
            f"are ignored); {ACCEPTED}"
        )
    return files, len(entries) - len(files)


def _read_file(path, field):
    if not stat.S_ISREG(_mode(path)):
        raise ValueError(
            f"--texts {path}: not a regular file but a pipe or device; write the texts to a "
            f"file first"
        )
    if path.suffix.lower() not in PARSERS:
        kind = f"{path.suffix} files are" if path.suffix else "files without a suffix are"
        raise ValueError(f"--texts {path}: {kind} not supported; {ACCEPTED}")
    try:
        return parse_file(path, field)
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise ValueError(f"--texts {path}: {error}") from error


def _mode(path):
    """Return the mode of a file or folder."""
    try:
        return path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    return ValueError(f"--texts {path}: {(error.strerror or str(error)).lower()}; {ACCEPTED}")
