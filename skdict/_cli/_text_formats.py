"""Parse the texts of one file: plain text, JSON Lines, CSV or Parquet.

Messages name the line or row at fault; `read_texts` adds the name of the file.
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
# UTF-32 first, because its little-endian mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
MOST_NAMES = 20


def parse_file(path, field):
    """Parse the texts of a file.

    Parameters
    ----------
    path : Path
        Regular file whose suffix is a key of `PARSERS`.
    field : str
        Field that holds the text, in formats with fields.

    Returns
    -------
    texts : list of str
        Texts that are not blank, in the order of the file.
    n_empty : int
        Number of records skipped because their text is empty or only white space.

    Raises
    ------
    ValueError
        If the file is not in the format implied by its suffix, or a text is not a string.
    OSError
        If the file cannot be read.
    """
    texts, n_empty = [], 0
    for place, text in PARSERS[path.suffix.lower()](path, field):
        if not isinstance(text, str):
            raise ValueError(
                f"{place}: the text is {_describe(text)}, not a string; remove such records, or "
                f"pass another --field"
            )
        if SURROGATE.search(text):
            raise ValueError(
                f"{place}: the text contains half of a surrogate pair, which is not a character; "
                f"write characters beyond U+FFFF directly or as complete pairs"
            )
        if text.strip():
            texts.append(text)
        else:
            n_empty += 1
    return texts, n_empty


def _parse_plain(path, field):
    """Return texts separated by lines of `SEPARATOR` or, if there are none, by blank lines."""
    content = _unify_newlines(_decode(path.read_bytes()))
    if SEPARATOR_LINE.search(content):
        parts = SEPARATOR_LINE.split(content)
    elif SEPARATOR in content:
        line = content[: content.index(SEPARATOR)].count("\n") + 1
        raise ValueError(
            f"line {line}: {SEPARATOR} shares a line with other text; put it on its own line to "
            f"separate texts, or use .jsonl if it is part of a text"
        )
    else:
        parts = BLANK_LINES.split(content)
    return [(None, part.strip()) for part in parts if part.strip()]


def _parse_json_lines(path, field):
    """Yield the location and text of each line: a string, or a field of an object."""
    content = _unify_newlines(_decode(path.read_bytes()))
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            place = f"line {number}"
            yield place, _text_of(_load_json(line, place), field, place)


def _load_json(line, place):
    try:
        return json.loads(line)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:
        reason = str(error)
    raise ValueError(f"{place}: not valid JSON ({reason}); write one object or string per line")


def _text_of(value, field, place):
    """Return the text of a line's value."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise ValueError(
            f"{place}: {_describe(value)} is not an object or string; write one of these per line"
        )
    _check_field(list(value), field, place)
    return value[field]


def _parse_csv(path, field):
    """Return the location and text of each row below the header."""
    content = _decode(path.read_bytes())
    # The limit on fields is global to the csv module, and 131,072 characters by default.
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
                f"{place}: has {len(row)} values, but the header has {len(header)} fields; "
                f'put values that contain commas in quotes ("...")'
            )
        yield place, row[column]


def _numbered_rows(content):
    """Yield the location and values of each row that is not blank."""
    # Strict, because an unclosed quote would otherwise swallow the rest of the file.
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield f"line {start}", row
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"line {start}: the row that begins here is not valid CSV ({error}); put values that "
            f'contain quotes in quotes, and double the quotes inside them ("")'
        ) from error


def _parse_parquet(path, field):
    """Yield the location and text of each row."""
    try:
        import pandas

        frame = pandas.read_parquet(path)
    except ImportError as error:
        raise ValueError(
            "reading Parquet requires pandas and pyarrow; run: pip install pandas pyarrow"
        ) from error
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"not a valid Parquet file ({reason}); write it again") from error
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
    """Raise `ValueError` if a field is missing or ambiguous."""
    if fields.count(field) == 1:
        return
    names = [repr(name) for name in fields[:MOST_NAMES]]
    if len(fields) > MOST_NAMES:
        names.append(f"and {len(fields) - MOST_NAMES} more")
    problem = "has two fields" if field in fields else "has no field"
    raise ValueError(
        f"{place}: {problem} {field!r}; pass one of its fields with --field: {', '.join(names)}"
    )


def _describe(value):
    """Return a short description of a value that is not a string."""
    if value is None or (isinstance(value, float) and value != value):
        return "null"
    return f"{reprlib.repr(value)} ({type(value).__name__})"


def _unify_newlines(content):
    return content.replace("\r\n", "\n").replace("\r", "\n")


def _decode(raw):
    """Decode the content of a UTF-8 file, without its byte order mark."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            raise ValueError(
                f"encoded in {encoding}, according to its byte order mark, not in UTF-8; convert "
                f"it with: iconv -f {encoding} -t UTF-8 OLD > NEW"
            )
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    try:
        content = raw[len(mark) :].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = len(mark) + error.start
        raise ValueError(
            f"not valid UTF-8: byte 0x{raw[offset]:02x} at offset {offset} (line "
            f"{_line_of(raw, offset)}), {error.reason}; convert it, for example from Latin-1 with: "
            f"iconv -f LATIN1 -t UTF-8 OLD > NEW"
        ) from error
    if "\0" in content:
        offset = raw.index(b"\0")
        raise ValueError(
            f"contains a zero byte at offset {offset} (line {_line_of(raw, offset)}), so it is "
            f"UTF-16 without a byte order mark, or not text; convert it with: "
            f"iconv -f UTF-16LE -t UTF-8 OLD > NEW"
        )
    return content


def _line_of(raw, offset):
    """Return the number of the line that contains a byte, counted from 1."""
    return len(re.findall(rb"\r\n|\r|\n", raw[:offset])) + 1
