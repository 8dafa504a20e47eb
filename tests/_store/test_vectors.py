"""Vectors of a vocabulary are stored beside the manifest, sealed by it, and never mixed up."""

import errno
import os

import numpy as np
import pytest

from skdict._files import hash_file
from skdict._store import store_digest
from skdict.activations import Activations, ActivationsWriter, Vocabulary
from tests.manifests import content_of, forge

PIECES = ["a", " b", "\udce2"]
VECTORS = np.random.default_rng(0).standard_normal((3, 5))
FILE = "token_vectors.npy"


def chunk(number, vectors=VECTORS, pieces=PIECES):
    vocabulary = pieces if vectors is None else Vocabulary(pieces, vectors)
    return Activations(
        np.full((2, 4), number, np.float32),
        documents=[number] * 2,
        positions=[1, 2],
        token_ids=[0, 2],
        vocabulary=vocabulary,
    )


def write(folder, vectors=VECTORS, numbers=range(3), finish=True):
    with ActivationsWriter(folder) as writer:
        for number in numbers:
            writer.append(chunk(number, vectors))
        if finish:
            writer.finish()
    return folder


def save(folder):
    chunk(0).save(folder)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("made", [write, save])
def test_vectors_come_back_bit_by_bit(made, tmp_path):
    folder = made(tmp_path / "store")
    assert FILE in names(folder)
    for verify in (False, True):
        found = Activations.load(folder, verify=verify).vocabulary
        assert isinstance(found, Vocabulary) and found == PIECES
        np.testing.assert_array_equal(found.vectors, chunk(0).vocabulary.vectors)
        assert not found.vectors.flags.writeable
    Activations.load(folder).save(tmp_path / "copy")
    again = Activations.load(tmp_path / "copy")
    np.testing.assert_array_equal(again.vocabulary.vectors, found.vectors)


def test_a_saved_store_replaces_one_with_vectors(tmp_path):
    save(tmp_path / "store")
    chunk(0, None).save(tmp_path / "store")
    assert names(tmp_path / "store") == ["00000", "activations.json"]
    assert Activations.load(tmp_path / "store").vocabulary.vectors is None


def test_stores_without_vectors_list_no_file(tmp_path):
    folder = write(tmp_path / "store", None)
    assert FILE not in names(folder)
    assert "vectors_sha256" not in content_of(folder / "activations.json")
    found = Activations.load(folder).vocabulary
    assert found == PIECES and found.vectors is None
    plain = Activations(np.eye(2), documents=[0, 0], positions=[0, 1], token_ids=[7, 9])
    plain.save(tmp_path / "plain")
    assert Activations.load(tmp_path / "plain").vocabulary is None


def test_the_digest_is_that_of_rows_tokens_and_pieces(tmp_path):
    turned = write(tmp_path / "turned", VECTORS[:, ::-1])
    digests = {
        store_digest(f) for f in (turned, write(tmp_path / "a"), write(tmp_path / "b", None))
    }
    assert len(digests) == 1


def test_an_interrupted_store_resumes_with_the_same_vectors(tmp_path):
    folder = write(tmp_path / "store", numbers=range(1), finish=False)
    write(folder, numbers=range(1, 3))
    np.testing.assert_array_equal(
        Activations.load(folder, verify=True).vocabulary.vectors, chunk(0).vocabulary.vectors
    )
    assert names(folder) == names(write(tmp_path / "whole"))


def test_vectors_that_differ_by_rounding_follow(tmp_path):
    first = chunk(0).vocabulary.vectors
    last_bits = np.nextafter(first, np.float16(2))
    folder = write(tmp_path / "store", first, numbers=range(1), finish=False)
    write(folder, last_bits, numbers=range(1, 3))
    np.testing.assert_array_equal(Activations.load(folder).vocabulary.vectors, first)


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (VECTORS, VECTORS + 0.1),
        (VECTORS, VECTORS[::-1]),
        (VECTORS, VECTORS[:, :4]),
        (VECTORS, None),
        (None, VECTORS),
    ],
    ids=["other", "other order", "fewer dimensions", "no longer any", "from now on"],
)
def test_other_vectors_do_not_follow(first, second, resumed, tmp_path):
    with ActivationsWriter(tmp_path / "store") as writer:
        writer.append(chunk(0, first))
        if resumed:
            writer.close()
            writer = ActivationsWriter(tmp_path / "store")
        with writer:
            with pytest.raises(
                ValueError,
                match="vectors of the vocabulary .* the same model, or write to another folder",
            ):
                writer.append(chunk(1, second))
            writer.append(chunk(1, first))
            writer.finish()
    found = Activations.load(tmp_path / "store", verify=True)
    assert found.documents.tolist() == [0, 0, 1, 1]
    assert (found.vocabulary.vectors is None) == (first is None)


def test_other_pieces_are_reported_as_such(tmp_path):
    write(tmp_path / "store", numbers=range(1), finish=False)
    with ActivationsWriter(tmp_path / "store") as writer:
        with pytest.raises(ValueError, match="the vocabulary of these activations differs"):
            writer.append(chunk(1, VECTORS, ["a", "b", "c"]))


def test_a_process_that_died_before_its_first_shard_leaves_nothing(tmp_path):
    folder = write(tmp_path / "store", numbers=(), finish=False)
    np.save(folder / FILE, np.zeros((9, 9), np.float16))
    write(folder, None, numbers=range(1))
    assert names(folder) == ["00000", "activations.json"]
    assert Activations.load(folder).vocabulary.vectors is None


@pytest.mark.parametrize("fails_at", ["vectors", "rows", "manifest"])
def test_a_full_disk_leaves_no_vectors_behind(tmp_path, monkeypatch, fails_at):
    plain_save, plain_replace = np.save, os.replace

    def check(path, failing):
        if str(path).endswith(failing):
            raise OSError(errno.ENOSPC, "No space left on device")

    def save_array(file, *args, **options):
        check(file, "rows.npy" if fails_at == "rows" else "nothing")
        plain_save(file, *args, **options)

    def replace(source, target):
        check(target, {"vectors": FILE, "manifest": ".json"}.get(fails_at, "nothing"))
        plain_replace(source, target)

    with ActivationsWriter(tmp_path / "store") as writer:
        with monkeypatch.context() as patch:
            patch.setattr(np, "save", save_array)
            patch.setattr("skdict._files._whole.os.replace", replace)
            with pytest.raises(OSError, match=r"No space left .* 0 earlier rows are kept"):
                writer.append(chunk(0))
        assert names(tmp_path / "store") == ["activations.json"]
        writer.append(chunk(0))
        writer.finish()
    np.testing.assert_array_equal(
        Activations.load(tmp_path / "store").vocabulary.vectors, chunk(0).vocabulary.vectors
    )


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda path: path.unlink(), FileNotFoundError, "is missing, but the manifest"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), ValueError, "is truncated"),
        (flip_a_byte, ValueError, "does not match the hash in the manifest"),
        (lambda path: np.save(path, VECTORS.astype("f2")), ValueError, "from another store"),
        (lambda path: np.save(path, [None], allow_pickle=True), ValueError, "never loaded"),
    ],
)
def test_damaged_vectors_are_refused(damage, error, message, tmp_path):
    folder = write(tmp_path / "store", finish=False)
    damage(folder / FILE)
    with ActivationsWriter(folder) as writer:
        with pytest.raises(error, match=message):
            writer.append(chunk(3))
        writer.finish()
    with pytest.raises(error, match=message):
        Activations.load(folder)


@pytest.mark.parametrize("value", [None, "x", 3, "a" * 64])
def test_manifests_that_list_other_vectors(value, tmp_path):
    folder = write(tmp_path / "store")
    manifest = folder / "activations.json"
    forge(manifest, content_of(manifest) | {"vectors_sha256": value})
    match = "does not match the hash" if value == "a" * 64 else "invalid entry 'vectors_sha256'"
    with pytest.raises(ValueError, match=match):
        Activations.load(folder)


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((4, 5), "f2"),
        np.zeros((3, 5), "f4"),
        np.zeros(3, "f2"),
        np.full((3, 5), np.nan, "f2"),
    ],
    ids=["rows", "dtype", "dimensions", "not finite"],
)
def test_sealed_vectors_that_do_not_fit_the_pieces(vectors, tmp_path):
    folder = write(tmp_path / "store")
    np.save(folder / FILE, vectors)
    manifest = folder / "activations.json"
    forge(manifest, content_of(manifest) | {"vectors_sha256": hash_file(folder / FILE)})
    with pytest.raises(ValueError, match=r"3 pieces, each with a row of float16|not finite"):
        Activations.load(folder)
