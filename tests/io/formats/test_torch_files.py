"""Torch, YAML and npz files from others: tensors and plain values are read, nothing is run."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from skdict._files import read_npz
from skdict.io.formats._torch_file import read_torch
from skdict.io.formats._yaml import read_yaml


class Bomb:
    """Would run code if anything unpickled it."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.pt"


def refused(read, path, match):
    with pytest.raises(ValueError, match=match) as error:
        read(path)
    assert str(path) in str(error.value)


def test_tensors_and_plain_values_are_read(path):
    matrix = torch.arange(6.0).reshape(2, 3)
    content = {
        "weight": matrix,
        "view": matrix.T,
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "count": torch.tensor(3, dtype=torch.int32),
        "name": "TopK",
        "inner": {"k": 5, "bias": torch.ones(2, dtype=torch.float64), "deep": {"x": {"y": 1}}},
        "list": [1, 2],
    }
    torch.save(content, path)
    arrays, plain, dtypes = read_torch(path)
    np.testing.assert_array_equal(arrays["view"], matrix.numpy().T)
    np.testing.assert_array_equal(arrays["half"], np.float32([1.5, -2]))
    assert (arrays["count"], arrays["count"].dtype) == (3, np.int32)
    assert arrays["inner.bias"].dtype == np.float64
    assert plain == {"name": "TopK", "inner.k": 5}
    assert dtypes == {"weight": "F32", "view": "F32", "half": "BF16", "inner.bias": "F64"}
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(arrays["weight"], matrix)


def test_parameters_are_tensors(path):
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    arrays, *_ = read_torch(path)
    assert {name: array.shape for name, array in arrays.items()} == {"weight": (3, 2), "bias": (3,)}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"x": Bomb()}, "only tensors and plain values are loaded"),
        ([torch.ones(1)], "it holds list, but a dict is expected"),
        ({"x": torch.zeros(1).expand(10**9)}, "claims more bytes than the file has"),
        ({"x": torch.eye(3).to_sparse()}, "sparse"),
        ({"x": torch.ones(2, dtype=torch.complex64)}, "has dtype torch.complex64"),
        ({"x": torch.empty(2, device="meta")}, "on meta"),
    ],
)
def test_other_objects_are_refused(path, content, match):
    torch.save(content, path)
    refused(read_torch, path, match)


def test_older_and_compressed_files_are_refused(path):
    torch.save({"x": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    refused(read_torch, path, "in the zip format of PyTorch 1.6 and later")
    path.write_bytes(pickle.dumps(Bomb()))
    refused(read_torch, path, "only tensors and plain values are loaded")
    torch.save({"x": torch.zeros(10_000)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    refused(read_torch, path, "is compressed")


def test_a_storage_that_claims_too_much_is_refused(path):
    torch.save({"x": torch.zeros(1000)}, path)
    content = path.read_bytes()
    # The number of entries of the storage and of the tensor, in the pickle's little-endian form.
    path.write_bytes(content.replace(b"M\xe8\x03", b"M\xff\xff"))
    refused(read_torch, path, "cannot be read as a torch file")


def test_npz_files_hold_numbers_that_are_not_compressed(tmp_path):
    path = tmp_path / "params.npz"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.float16([1, 2]), "c": np.array(3)}
    np.savez(path, **arrays, d=arrays["a"].T)
    found = read_npz(path)
    for name, array in (arrays | {"d": arrays["a"].T}).items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    np.savez_compressed(path, **arrays)
    refused(read_npz, path, "is compressed; pickles are never loaded")
    np.savez(path, x=np.array([Bomb()], dtype=object))
    refused(read_npz, path, "is not an array of numbers")
    path.write_bytes(b"PK\x03\x04")
    refused(read_npz, path, "not a zip file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../a.txt", "text")
    refused(read_npz, path, "is not an array")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: &x [1]\nb: *x\n", "aliases are not accepted"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 32"),
        ("- 1\n", "it holds list, but a mapping is expected"),
        ("a: [1", "is not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("a: 2020-99-99\n", "is not valid YAML"),
    ],
)
def test_yaml_that_could_expand_or_run_is_refused(tmp_path, text, match):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    refused(read_yaml, path, match)


def test_yaml_is_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("model_name: Qwen/Qwen3-4B\nk: 3\ntranscoders:\n  - a\n")
    assert read_yaml(path) == {"model_name": "Qwen/Qwen3-4B", "k": 3, "transcoders": ["a"]}
