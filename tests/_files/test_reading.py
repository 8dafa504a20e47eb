"""What a file may hold is checked before memory is taken, and refused by name."""

import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from skdict._files import (
    map_array,
    parse_json,
    read_bytes,
    read_json,
    read_sealed,
    read_table,
    read_tensors,
    sealed,
)

READERS = {
    "bytes": lambda path: read_bytes(path, most=100),
    "JSON": read_json,
    "manifest": lambda path: read_sealed(path, "f", 1),
    "array": map_array,
    "tensors": read_tensors,
    "table": lambda path: read_table(path, ("a",)),
}
MAKERS = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": os.mkdir,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("kind", MAKERS)
def test_only_regular_files_are_read(tmp_path, read, kind):
    path = tmp_path / "file"
    MAKERS[kind](path)
    with pytest.raises(ValueError, match=f"file' is {kind}, not a regular file"):
        read(path)
    with pytest.raises(FileNotFoundError, match="missing"):
        read(tmp_path / "missing")


def test_a_link_to_a_file_is_followed_and_size_is_bounded(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link", most=5) == b"12345"
    with pytest.raises(ValueError, match="has 5 bytes, but at most 4"):
        read_bytes(tmp_path / "link", most=4)


def test_a_terabyte_of_nothing_is_refused_at_once(tmp_path):
    for name, read in READERS.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(ValueError, match=f"{name}'"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[1]", "holds list, but an object is expected"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "duplicate name 'c'"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": -Infinity}', "-Infinity is not a finite number"),
        ('{"a": 1e999}', "1e999 is not a finite number"),
        ('{"a": 18446744073709551616}', "does not fit in 64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "is not valid JSON"),
        ('{"a": ' + "[" * 33 + "]" * 33 + "}", "nested more than 32 levels deep"),
        ('{"a": ' + "[" * 90_000 + "]" * 90_000 + "}", "nested too deeply"),
        (b'{"a": "\xff"}', "is not valid JSON .*utf-8"),
    ],
)
def test_json_that_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse_json(text, "it")


def test_json_that_is_accepted():
    content = {"a": [1, -2.5, None, True, "\udce2", {"[": ["{" * 100] * 50}], "b": 2**64 - 1}
    assert parse_json(json.dumps(content).encode(), "it") == content
    assert parse_json('{"a": Infinity}', "it", finite=False) == {"a": float("inf")}


def test_flipped_bits_of_a_manifest_are_found(tmp_path):
    content = {"format": "f", "version": 1, "vocabulary": ["a", " b"], "scale": 0.1}
    path = tmp_path / "manifest.json"
    whole = sealed(content)
    path.write_bytes(whole)
    assert read_sealed(path, "f", 1) == content
    for bit in range(0, 8 * len(whole), 7):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"manifest\.json"):
            read_sealed(path, "f", 1)


def test_what_could_not_be_read_again_is_not_sealed():
    deep = {"metadata": json.loads("[" * 40 + "]" * 40)}
    for content in (deep, {"a": float("nan")}, {"a": 2**70}):
        with pytest.raises(ValueError, match="the manifest to save is not valid JSON"):
            sealed(content)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "i4", "i8", "u2"])
@pytest.mark.parametrize("shape", [(0,), (5,), (0, 3), (4, 3)])
def test_arrays_are_mapped_as_numpy_writes_them(tmp_path, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    mapped = map_array(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap)
    assert mapped.filename == str(tmp_path / "a.npy")
    assert mapped.dtype == array.dtype
    np.testing.assert_array_equal(mapped, array)


@pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([1j]), np.array([None]), np.asfortranarray(np.eye(3))]
)
def test_other_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match="not an array of numbers in C order"):
        map_array(tmp_path / "a.npy")


def test_tensors_come_back_in_their_types(tmp_path):
    arrays = {
        "a": np.arange(6, dtype="f4").reshape(2, 3),
        "half": np.ones(3, "f2"),
        "counts": np.arange(4),
        "none": np.empty((0, 2)),
        "flags": np.array([True, False]),
    }
    save_file(arrays, tmp_path / "t.safetensors", metadata={"text": "x"})
    found = read_tensors(tmp_path / "t.safetensors")
    assert found.metadata == {"text": "x"}
    assert set(found.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_bfloat16_is_widened_exactly(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_tensors

    values = torch.randn(50, dtype=torch.bfloat16)
    save_tensors({"a": values}, tmp_path / "t.safetensors")
    found = read_tensors(tmp_path / "t.safetensors").arrays["a"]
    np.testing.assert_array_equal(found, values.float().numpy())


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": ENTRY | {"shape": [2**40]}},
        {"a": ENTRY | {"shape": [2**62, 4]}},
        {"a": ENTRY | {"shape": [-2]}},
        {"a": ENTRY | {"dtype": "F99"}},
        {"a": ENTRY | {"data_offsets": [4, 12]}},
        {"a": ENTRY | {"more": 1}},
        {"a": ENTRY, "b": ENTRY},
        {"a": [1]},
        {"a": ENTRY, "__metadata__": {"a": 1}},
        {},
    ],
)
def test_headers_that_do_not_fit_are_refused(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "t").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(ValueError, match="t' cannot be read as safetensors"):
        read_tensors(tmp_path / "t")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("b\n1\n", "has no column 'a'"),
        ("a,a\n1,2\n", "has two columns 'a'"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells"),
        ("", "has no column 'a'"),
        ("a\n" + "x" * 200_000, "line 2 is not valid CSV"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, match):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"t\.csv'.*{match}"):
        read_table(tmp_path / "t.csv", ("a",))


def test_tables_of_spreadsheets_are_read(tmp_path):
    (tmp_path / "t.csv").write_bytes('\ufeffa;b\r\n1;"x;y"\r\n\r\n2\r\n'.encode())
    assert read_table(tmp_path / "t.csv", ("a",)) == [
        (2, {"a": "1", "b": "x;y"}),
        (4, {"a": "2", "b": ""}),
    ]
