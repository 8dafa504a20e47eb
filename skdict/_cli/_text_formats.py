"""Parse the texts of one file: plain text, JSON Lines, CSV or Parquet.

Messages name the line or row at fault; `read_texts` puts the name of the file in front.
"""

import codecs
import csv
import io
import json
import re
import reprlib

SEPARATOR = "<|endoftext|>"
SEPARATOR_LINE = re.compile(rf"^[^\S\n]*{re.escape(SEPARATOR)}[^\S\n]*$", re.MULTILINE)
BLANK_LINES = re.compile(r"\n\s*\n")
SURROGATE = re.compile("[\ud800-\udfff]")
# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MOST_NAMES = 20


def parse_file(path, field):
    """Return the texts of a file.

    Parameters
    ----------
    path : Path
        A regular file whose suffix is a key of `PARSERS`.
    field : str
        Field that holds the text, in formats that have fields.

    Returns
    -------
    texts : list of str
        Texts that hold more than white space, in the order of the file.
    n_empty : int
        Number of records skipped because their text is empty or white space only.

    Raises
    ------
    ValueError
        If the file is not in the format that its suffix says, or a text is not a string.
    OSError
        If it cannot be read.
    """
    texts, n_empty = [], 0
    for place, text in PARSERS[path.suffix.lower()](path, field):
        if not isinstance(text, str):
            raise ValueError(
                f"{place}: the text is {_describe(text)}, not a string; remove such records or "
                f"pass another --field"
            )
        if SURROGATE.search(text):
            raise ValueError(
                f"{place}: the text holds half of a surrogate pair, which is no character; "
                f"write characters beyond U+FFFF as themselves or as both halves"
            )
        if text.strip():
            texts.append(text)
        else:
            n_empty += 1
    return texts, n_empty


def _parse_plain(path, field):
    """Return texts separated by lines of `SEPARATOR` or, where there is none, by blank lines."""
    content = _unify_newlines(_decode(path.read_bytes()))
    if SEPARATOR_LINE.search(content):
        parts = SEPARATOR_LINE.split(content)
    elif SEPARATOR in content:
        line = content[: content.index(SEPARATOR)].count("\n") + 1
        raise ValueError(
            f"line {line}: {SEPARATOR} stands beside other text; to separate texts put it on a "
            f"line of its own, and to keep it in a text write .jsonl"
        )
    else:
        parts = BLANK_LINES.split(content)
    return [(None, part.strip()) for part in parts if part.strip()]


def _parse_json_lines(path, field):
    """Yield (place, text) of each line: a string, or a field of an object."""
    content = _unify_newlines(_decode(path.read_bytes()))
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            place = f"line {number}"
            yield place, _text_of(_load_json(line, place), field, place)


def _load_json(line, place):
    try:
        return json.loads(line)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = str(error)
    raise ValueError(
        f"{place}: cannot be read as JSON ({reason}); pass one object or string a line"
    )


def _text_of(value, field, place):
    """Return the text of a line's value."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{place}: holds {_describe(value)}; pass one object or string a line")
    _check_field(list(value), field, place)
    return value[field]


def _parse_csv(path, field):
    """Return (place, text) of each row below the header."""
    content = _decode(path.read_bytes())
    # The limit is the module's, and 131,072 characters until it is raised.
    limit = csv.field_size_limit(max(len(content), csv.field_size_limit()))
    try:
        return list(_csv_rows(content, field))
    finally:
        csv.field_size_limit(limit)


def _csv_rows(content, field):
    rows = _numbered_rows(content)
    place, header = next(rows, (None, None))
    if header is None:
        return
    _check_field(header, field, place)
    column = header.index(field)
    for place, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{place}: has {len(row)} values, and the header names {len(header)} fields; "
                f'put values that hold commas in quotes ("...")'
            )
        yield place, row[column]


def _numbered_rows(content):
    """Yield the place of each row that is not blank, and its values."""
    # Strict, or a quote that is never closed would take in the rest of the file.
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield f"line {start}", row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"line {start}: the row that begins here cannot be read as CSV ({error}); put values "
            f'that hold quotes in quotes, and write each of theirs twice ("")'
        ) from error


def _parse_parquet(path, field):
    """Yield (place, text) of each row."""
    try:
        import pandas

        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise ValueError(
            "reading Parquet needs two more packages; install them by: pip install pandas pyarrow"
        ) from error
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"cannot be read as Parquet ({reason})") from error
    _check_field(list(frame.columns), field, "the table")
    for number, text in enumerate(frame[field].tolist(), start=1):
        yield f"row {number}", text


PARSERS = {
    ".txt": _parse_plain,
    ".jsonl": _parse_json_lines,
    ".csv": _parse_csv,
    ".parquet": _parse_parquet,
}


def _check_field(fields, field, place):
    """Refuse a field that is missing or ambiguous."""
    if fields.count(field) == 1:
        return
    names = [repr(name) for name in fields[:MOST_NAMES]]
    if len(fields) > MOST_NAMES:
        names.append(f"and {len(fields) - MOST_NAMES} more")
    problem = "has two fields" if field in fields else "has no field"
    raise ValueError(
        f"{place}: {problem} {field!r}; its fields are {', '.join(names)}: pass one by --field"
    )


def _describe(value):
    """Return a short description of what is not a text."""
    if value is None or (isinstance(value, float) and value != value):
        return "null"
    return f"{reprlib.repr(value)} ({type(value).__name__})"


def _unify_newlines(content):
    return content.replace("\r\n", "\n").replace("\r", "\n")


def _decode(raw):
    """Return the content of a file in UTF-8, without its byte order mark."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            raise ValueError(
                f"is {encoding}, not UTF-8, by its byte order mark; convert it by: "
                f"iconv -f {encoding} -t UTF-8 OLD > NEW"
            )
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    try:
        content = raw[len(mark) :].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = len(mark) + error.start
        raise ValueError(
            f"is not UTF-8: byte 0x{raw[offset]:02x} at offset {offset} (line "
            f"{_line_of(raw, offset)}), {error.reason}; convert it, such as from Latin-1 by: "
            f"iconv -f LATIN1 -t UTF-8 OLD > NEW"
        ) from error
    if "\0" in content:
        offset = raw.index(b"\0")
        raise ValueError(
            f"holds a zero byte at offset {offset} (line {_line_of(raw, offset)}): it is UTF-16 "
            f"without a byte order mark, or not text; convert it by: "
            f"iconv -f UTF-16LE -t UTF-8 OLD > NEW"
        )
    return content


def _line_of(raw, offset):
    """Return the number of the line in which a byte stands, counted from 1."""
    return len(re.findall(rb"\r\n|\r|\n", raw[:offset])) + 1
