"""Texts come back as they were written, and files that cannot be read are refused by place."""

import codecs
import csv
import json
import os
import re
import sys

import numpy as np
import pandas
import pytest

from skdict._cli._texts import read_texts

AWKWARD = [*"a,;:\"\\/'<>{}[]|\n\r\t é\u00a0\u2028\u0085\ufeff", "\r\n", '""', "🙂", "👩‍🚀", "語"]


def random_texts(n_texts=60):
    """Texts of characters that formats treat in their own ways, none of them blank."""
    rng = np.random.default_rng(0)
    drawn = ["".join(rng.choice(AWKWARD, rng.integers(0, 30))) for _ in range(n_texts)]
    return [f"{text}x{text[::-1]}" for text in drawn]


def write_json_lines(path, texts, field="text", **options):
    lines = [json.dumps({"id": i, field: text}, **options) for i, text in enumerate(texts)]
    path.write_bytes("\n".join(lines).encode())


def write_csv(path, texts, field="text", **options):
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, **options)
        rows.writerow(["id", field])
        rows.writerows(enumerate(texts))


def refusal(path, field="text"):
    """Return the message with which a file or folder is refused: it names the path."""
    with pytest.raises(ValueError) as caught:
        read_texts(path, field)
    message = str(caught.value)
    assert message.startswith(f"--texts {path}")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_lines_give_back_what_was_written(tmp_path, ascii_only):
    texts, path = random_texts(), tmp_path / "texts.jsonl"
    write_json_lines(path, texts, "body", ensure_ascii=ascii_only)
    assert read_texts(path, "body").texts == texts
    path.write_text("\n\n".join(json.dumps(text) for text in texts))
    assert read_texts(path).texts == texts


# With other line ends the writer leaves a lone "\r" unquoted, unless it quotes all.
@pytest.mark.parametrize(
    ("end", "quoting"),
    [("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_NONNUMERIC)],
)
def test_csv_gives_back_what_was_written(tmp_path, end, quoting):
    texts, path = random_texts(), tmp_path / "texts.CSV"
    write_csv(path, texts, "body", lineterminator=end, quoting=quoting)
    assert read_texts(path, "body").texts == texts


def test_parquet_gives_back_what_was_written(tmp_path):
    pytest.importorskip("pyarrow")
    texts, path = random_texts(), tmp_path / "texts.parquet"
    pandas.DataFrame({"id": range(len(texts)), "body": texts}).to_parquet(path)
    assert read_texts(path, "body").texts == texts
    assert "no field 'text'; pass one of its fields with --field: 'id', 'body'" in refusal(path)
    path.write_bytes(b"no table")
    assert "not a valid Parquet file" in refusal(path)


def test_a_csv_field_may_be_longer_than_the_csv_module_allows(tmp_path):
    limit, text = csv.field_size_limit(), "word " * 100_000
    write_csv(tmp_path / "texts.csv", [text])
    assert len(text) > limit
    assert read_texts(tmp_path / "texts.csv").texts == [text]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_line_ends_change_no_text(tmp_path, mark, end):
    contents = {
        "lines.txt": "one\n\none more\n <|endoftext|>\t\ntwo\n<|endoftext|>\n",
        "blank.txt": "one\nline\n \t \n\u00a0\n\n  two\n",
        "records.jsonl": '{"text": "one"}\n"two"\n\n',
        "table.csv": "text,n\none,1\n\ntwo,2\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(mark + content.replace("\n", end).encode())
    assert read_texts(tmp_path / "lines.txt").texts == ["one\n\none more", "two"]
    assert read_texts(tmp_path / "blank.txt").texts == ["one\nline", "two"]
    assert read_texts(tmp_path / "records.jsonl").texts == ["one", "two"]
    assert read_texts(tmp_path / "table.csv").texts == ["one", "two"]


def test_paragraphs_of_wikitext_are_told_apart_by_lines_of_white_space(shared_data):
    path = shared_data / "text" / "wikitext2-test.txt"
    content = path.read_text(encoding="utf-8")
    texts = read_texts(path).texts
    assert len(texts) == len(re.findall(r"(?m)^.*\S.*$(?:\n.*\S.*$)*", content)) > 1000
    assert [word for text in texts for word in text.split()] == content.split()


def test_a_separator_amid_text_is_refused(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("one\n\ntwo<|endoftext|>three\n")
    assert "line 3: <|endoftext|> shares a line with other text" in refusal(path)


def test_a_folder_is_read_by_name_and_other_entries_are_counted(tmp_path):
    (tmp_path / "b.txt").write_text("three\n\nfour")
    write_json_lines(tmp_path / "a.jsonl", ["one", " ", "two"])
    write_csv(tmp_path / "c.csv", ["five", ""])
    for name in ("notes.md", ".hidden.txt"):
        (tmp_path / name).write_text("not a text")
    (tmp_path / "folder.txt").mkdir()
    found = read_texts(tmp_path)
    assert found.texts == ["one", "two", "three", "four", "five"]
    assert (found.n_empty, found.n_ignored) == (2, 3)
    (tmp_path / "b.txt").write_bytes(b"\xe9t\xe9")
    with pytest.raises(ValueError, match=r"b\.txt: not valid UTF-8"):
        read_texts(tmp_path)
    message = refusal(tmp_path / "folder.txt")
    assert "none of its 0 entries is a file of texts" in message


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_broken_utf8_is_refused_by_offset_and_line(tmp_path, mark, end):
    path = tmp_path / "texts.txt"
    before = mark + "née".encode() + end + end + b"two "
    path.write_bytes(before + b"\xe9" + end + b"three")
    message = refusal(path)
    assert f"not valid UTF-8: byte 0xe9 at offset {len(before)} (line 3)" in message
    assert "iconv -f LATIN1 -t UTF-8" in message


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "encoded in UTF-16, according to its byte order mark"),
        ("utf-32", "encoded in UTF-32, according to its byte order mark"),
        ("utf-16-le", "contains a zero byte at offset 1 (line 1), so it is UTF-16 without"),
    ],
)
@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_wide_encodings_are_named(tmp_path, encoding, message, kind):
    path = tmp_path / f"texts.{kind}"
    path.write_bytes("text\n\none".encode(encoding))
    assert message in refusal(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": null}', "line 2: the text is null, not a string"),
        ('{"text": 3}', "line 2: the text is 3 (int), not a string"),
        ('{"text": ["a"]}', "line 2: the text is ['a'] (list), not a string"),
        ('{"body": "a", "id": 3}', "line 2: has no field 'text'; pass one of its fields"),
        ("null", "line 2: null is not an object or string; write one of these per line"),
        ('["a"]', "line 2: ['a'] (list) is not an object"),
        ('{"text": "a"', "line 2: not valid JSON"),
        ("[" * 200_000, "line 2: not valid JSON (nested too deeply)"),
        ('{"text":' * 200_000, "line 2: not valid JSON (nested too deeply)"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "line 2: not valid JSON"),
        (r'"\ud83d"', "line 2: the text contains half of a surrogate pair"),
    ],
)
def test_a_bad_line_of_json_is_named(tmp_path, line, message):
    path = tmp_path / "texts.jsonl"
    path.write_text(f'{{"text": "one"}}\n{line}\n"three"\n')
    assert message in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,body\n1,one\n", "no field 'text'; pass one of its fields with --field: 'id', 'body'"),
        ("text,text\na,b\n", "line 1: has two fields 'text'"),
        ('text,id\n"a\nb",1\nthen, too,2\n', "line 4: has 3 values, but the header has 2"),
        ("text,id\nshort\n", "line 2: has 1 values, but the header has 2"),
        ('text\nok\n"never closed\nand\nso on\n', "line 3: the row that begins here is not"),
        ("id;text\n1;one\n", "its fields with --field: 'id;text'"),
        ("", "contains 0 texts; pass at least 1"),
        ('text\n"  "\n\n""\n', "contains 0 texts (2 empty skipped)"),
    ],
)
def test_a_bad_row_of_csv_is_named(tmp_path, content, message):
    path = tmp_path / "texts.csv"
    path.write_text(content)
    assert message in refusal(path)


def test_many_fields_are_not_all_named(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text(",".join(f"f{i}" for i in range(1000)) + "\n")
    assert refusal(path).endswith("'f18', 'f19', and 980 more")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["one", None], "row 2: the text is null"),
        ([1.5, 2.5], "row 1: the text is 1.5 (float)"),
        ([["a"], ["b"]], "row 1: the text is ['a'] (list)"),
        (["", " "], "contains 0 texts (2 empty skipped)"),
    ],
)
def test_a_bad_row_of_parquet_is_named(tmp_path, monkeypatch, column, message):
    # What pandas returns is tested here without an engine that reads the format.
    monkeypatch.setattr(pandas, "read_parquet", lambda path: pandas.DataFrame({"text": column}))
    path = tmp_path / "texts.parquet"
    path.touch()
    assert message in refusal(path)


def test_parquet_without_pandas_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "texts.parquet"
    path.touch()
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "pip install pandas pyarrow" in refusal(path)


def test_empty_texts_are_skipped_and_counted(tmp_path):
    path = tmp_path / "texts.jsonl"
    write_json_lines(path, ["one", "", " \n\t", "two"])
    found = read_texts(path)
    assert (found.texts, found.n_empty) == (["one", "two"], 2)
    with pytest.raises(ValueError, match=r"contains 2 texts \(2 empty skipped\); pass at least 3"):
        read_texts(path, fewest=3)


def test_only_regular_files_of_known_kinds_are_read(tmp_path):
    assert "no such file or directory; pass a .txt" in refusal(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not a regular file" in refusal(tmp_path / "pipe.txt")
    (tmp_path / "texts.json").write_text('["one"]')
    assert ".json files are not supported; pass a .txt, .jsonl" in refusal(tmp_path / "texts.json")
    (tmp_path / "texts").write_text("one\n\ntwo")
    assert "files without a suffix are not supported" in refusal(tmp_path / "texts")
    (tmp_path / "texts.txt").symlink_to(tmp_path / "texts")
    assert read_texts(tmp_path / "texts.txt").texts == ["one", "two"]
