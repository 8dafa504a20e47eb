"""A store is written in shards, goes on where it was interrupted, and refuses what was damaged."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder
from skdict._files._owners import Owner
from skdict._store import _writing, store_digest
from skdict.activations import Activations, ActivationsWriter
from tests.manifests import content_of, forge

VOCABULARY = ["a", " b", "\udce2"]


def chunk(number, *, dtype=np.float32, width=4, **changes):
    """Return the rows of documents 2n and 2n + 1, which follow from n alone."""
    rng = np.random.default_rng(number)
    table = {
        "documents": [2 * number] * 3 + [2 * number + 1] * 2,
        "positions": [1, 2, 3, 1, 2],
        "token_ids": rng.integers(3, size=5),
        "vocabulary": VOCABULARY,
        "metadata": {"hook_point": "resid_post.1"},
    }
    return Activations(rng.standard_normal((5, width)).astype(dtype), **(table | changes))


def write(folder, numbers=range(4), finish=True, **options):
    with ActivationsWriter(folder, source={"texts": "t.txt", "max_length": 8}) as writer:
        for number in numbers:
            writer.append(chunk(number, **options))
        if finish:
            writer.finish()
    return folder


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_appended_is_what_is_loaded(tmp_path, dtype):
    loaded = Activations.load(write(tmp_path / "store", dtype=dtype), verify=True)
    chunks = [chunk(number, dtype=dtype) for number in range(4)]
    np.testing.assert_array_equal(loaded, np.concatenate(chunks))
    for name in ("documents", "positions", "token_ids"):
        column = getattr(loaded, name)
        np.testing.assert_array_equal(column, np.concatenate([getattr(c, name) for c in chunks]))
        assert column.dtype == np.int32
    assert loaded.vocabulary == VOCABULARY
    assert loaded.metadata == {"hook_point": "resid_post.1"}
    assert str(loaded.context(7)) == str(chunks[1].context(2))
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == [
        *("00000", "00001", "00002", "00003"),
        "activations.json",
    ]


def test_save_writes_shards_of_bounded_size(tmp_path, monkeypatch):
    whole = Activations.load(write(tmp_path / "store"))
    whole.save(tmp_path / "one")
    monkeypatch.setattr(_writing, "SHARD_BYTES", 6 * 4 * 4)
    whole.save(tmp_path / "many")
    view = whole[np.array([1, 4, 5, 9, 11, 13, 19])]
    view.save(tmp_path / "view")
    lengths = [
        s["n_rows"] for s in json.loads(manifest_of(tmp_path / "many").read_text())["shards"]
    ]
    assert lengths == [6, 6, 6, 2]
    for name, due in (("one", whole), ("many", whole), ("view", view)):
        loaded = Activations.load(tmp_path / name, verify=True)
        np.testing.assert_array_equal(loaded, due)
        np.testing.assert_array_equal(loaded.documents, due.documents)


def test_an_empty_view_and_wide_numbers_are_kept(tmp_path):
    chunk(0)[:0].save(tmp_path / "store")
    assert Activations.load(tmp_path / "store").shape == (0, 4)
    far = chunk(0, documents=[2**40] * 5, positions=range(5), token_ids=[0, 0, 1, 2, 2])
    far.save(tmp_path / "store")
    assert Activations.load(tmp_path / "store").documents.tolist() == [2**40] * 5


def test_training_on_shards_equals_training_on_an_array(tmp_path):
    loaded = Activations.load(write(tmp_path / "store", range(200)))
    sae = SparseDictionaryAutoencoder(8, max_iter=2, random_state=0, device="cpu")
    plain = sae.fit(np.asarray(loaded)).components_
    np.testing.assert_array_equal(sae.fit(loaded).components_, plain)


def test_an_interrupted_store_goes_on_after_its_last_whole_shard(tmp_path):
    write(tmp_path / "whole")
    folder = write(tmp_path / "store", range(2), finish=False)
    with pytest.raises(ValueError, match=r"is unfinished, with 10 rows in 2 shards.* to resume"):
        Activations.load(folder)
    with pytest.raises(ValueError, match="unfinished"):
        store_digest(folder)
    # What dying at the worst moments leaves: a shard not yet listed, and one half written.
    shutil.copytree(folder / "00001", folder / "00002")
    (folder / f".00002.{gone()}.{'0' * 12}.part").mkdir()
    (tmp_path / ".store.lock").write_text(json.dumps({"pid": 1, "host": "h", "owner": str(gone())}))
    with ActivationsWriter(folder, source={"texts": "t.txt", "max_length": 8}) as writer:
        assert (writer.n_rows, writer.next_document, writer.complete) == (10, 4, False)
        for number in range(writer.next_document // 2, 4):
            writer.append(chunk(number))
        writer.finish()
        assert writer.complete
    assert store_digest(folder) == store_digest(tmp_path / "whole")
    assert sorted(p.name for p in folder.iterdir())[-2:] == ["00003", "activations.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store", "whole"]
    np.testing.assert_array_equal(Activations.load(folder), Activations.load(tmp_path / "whole"))


def test_documents_without_rows_are_not_read_again(tmp_path):
    with ActivationsWriter(tmp_path / "store") as writer:
        writer.append(chunk(0), next_document=7)
        writer.append(chunk(0)[:0])
    with ActivationsWriter(tmp_path / "store") as writer:
        assert writer.next_document == 7


def test_other_rows_have_another_digest(tmp_path):
    digest = store_digest(write(tmp_path / "a"))
    assert digest == store_digest(write(tmp_path / "b"))
    others = [
        write(tmp_path / "c", range(3)),
        write(tmp_path / "d", dtype=np.float16),
        write(tmp_path / "e", vocabulary=["x", "y", "z"]),
    ]
    assert len({digest, *map(store_digest, others)}) == 4


def test_what_does_not_follow_is_refused(tmp_path):
    def refuse(message, number=3, **changes):
        with pytest.raises(ValueError, match=message):
            writer.append(chunk(number, **changes))

    with ActivationsWriter(tmp_path / "store") as writer:
        with pytest.raises(ValueError, match="has no rows"):
            writer.finish()
        writer.append(chunk(2))
        refuse(r"width .* \(5, not 4\)", width=5)
        refuse("dtype .*float16, not float32", dtype=np.float16)
        refuse("vocabulary", vocabulary=None)
        refuse("metadata", metadata={})
        refuse("begin with document 2, but documents up to 5 are already", number=1)
        writer.append(chunk(3))
        writer.finish()
        refuse("is finished", number=4)
    np.testing.assert_array_equal(
        Activations.load(tmp_path / "store"), np.concatenate([chunk(2), chunk(3)])
    )


def test_another_source_is_refused_and_told_apart(tmp_path):
    folder = write(tmp_path / "store", range(1), finish=False)
    with pytest.raises(ValueError, match="max_length was 8 and is now 9; choose another"):
        ActivationsWriter(folder, source={"texts": "t.txt", "max_length": 9})
    with pytest.raises(ValueError, match="texts was 't.txt' and is now None"):
        ActivationsWriter(folder)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("data")
    for place in (tmp_path / "precious", tmp_path / "precious" / "thesis.txt"):
        with pytest.raises(FileExistsError, match="is not a store of activations"):
            ActivationsWriter(place)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "data"


def test_two_cannot_write_at_once(tmp_path):
    with ActivationsWriter(tmp_path / "store") as writer:
        with pytest.raises(FileExistsError, match=f"process {os.getpid()} on .* is writing to"):
            ActivationsWriter(tmp_path / "store")
        writer.append(chunk(0))
    with ActivationsWriter(tmp_path / "store") as writer:
        writer.append(chunk(1))
        writer.finish()
    assert len(Activations.load(tmp_path / "store")) == 10


@pytest.mark.parametrize("fails_at", ["rows", "manifest"])
def test_a_full_disk_loses_nothing_that_was_written(tmp_path, monkeypatch, fails_at):
    write(tmp_path / "whole")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with ActivationsWriter(tmp_path / "store") as writer:
        writer.append(chunk(0))
        with monkeypatch.context() as patch:
            if fails_at == "rows":
                patch.setattr(np, "save", full)
            else:
                patch.setattr("skdict._files._whole.os.replace", full)
            with pytest.raises(OSError, match=r"No space left .* 5 earlier rows are kept"):
                writer.append(chunk(1))
        assert sorted(p.name for p in (tmp_path / "store").iterdir()) == [
            *("00000", "activations.json")
        ]
        for number in range(1, 4):
            writer.append(chunk(number))
        writer.finish()
    assert store_digest(tmp_path / "store") == store_digest(tmp_path / "whole")


class Bomb:
    """Makes a file if anything unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "x"))


def test_damage_is_told_and_nothing_is_run(tmp_path):
    whole, other = write(tmp_path / "whole"), write(tmp_path / "other", range(4, 8))
    folder = tmp_path / "store"

    def refuse(match, error=ValueError, verify=False):
        with pytest.raises(error, match=match):
            Activations.load(folder, verify=verify)
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)

    shutil.copytree(whole, folder)
    rows = folder / "00001" / "rows.npy"
    content = rows.read_bytes()
    rows.write_bytes(content[:-5])
    refuse("is truncated")
    rows.write_bytes(b"")
    refuse("is truncated")
    rows.write_bytes(content + b"more")
    refuse("has extra bytes after the array")
    rows.unlink()
    refuse("is missing, but the manifest", FileNotFoundError)
    shutil.rmtree(folder / "00002")
    refuse("is missing, but the manifest", FileNotFoundError)
    for shard in (folder / "00002", other / "00001"):
        shutil.rmtree(folder / "00001")
        shutil.copytree(shard, folder / "00001")
        refuse("from another shard or store")
    shutil.copy(other / "00001" / "rows.npy", rows)
    refuse("from another shard or store")
    np.save(rows, np.zeros((5, 3), np.float32))
    refuse(r"shape \(5, 3\) and dtype float32, but .* shape \(5, 4\) and dtype float32")
    np.save(rows, np.zeros((5, 4), np.float64))
    refuse(r"dtype float64, but .* dtype float32")
    bomb = Bomb(tmp_path / "exploded")
    rows.write_bytes(pickle.dumps(bomb))
    refuse("pickles are never loaded")
    np.save(rows, np.array([[bomb]], dtype=object))
    refuse("pickles are never loaded")
    np.savez(rows.with_suffix(""), rows=np.zeros((5, 4)))
    os.replace(rows.with_suffix(".npz"), rows)
    refuse("not an array of numbers")
    assert not (tmp_path / "exploded").exists()
    np.testing.assert_array_equal(Activations.load(folder), Activations.load(whole))


def test_only_verify_reads_the_middle_of_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    n = 4000
    acts = Activations(
        rng.standard_normal((n, 4)), documents=range(n), positions=[0] * n, token_ids=[0] * n
    )
    acts.save(tmp_path / "store")
    path = tmp_path / "store" / "00000" / "rows.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert len(Activations.load(tmp_path / "store")) == n
    with pytest.raises(ValueError, match="does not match the hash in the manifest"):
        Activations.load(tmp_path / "store", verify=True)


def manifest_of(folder):
    return folder / "activations.json"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"version": 2},
            "version 2, but this version of skdict reads 'skdict.activations', version 3",
        ),
        ({"format": "other"}, "has format 'other'"),
        ({"complete": "yes"}, "invalid entry 'complete'"),
        ({"dtype": "object"}, "'dtype'"),
        ({"width": -1}, "'width'"),
        ({"width": 3}, "but the manifest lists"),
        ({"dtype": "float16"}, "but the manifest lists"),
        ({"shards": [{"name": "../other"}]}, "'shards'"),
        ({"shards": {}}, "'shards'"),
        ({"vocabulary": [1]}, "'vocabulary'"),
        ({"metadata": None}, "'metadata'"),
        ({"more": 1}, "'more'"),
    ],
)
def test_manifests_that_do_not_fit(tmp_path, change, message):
    folder = write(tmp_path / "store")
    forge(manifest_of(folder), content_of(manifest_of(folder)) | change)
    with pytest.raises(ValueError, match=message):
        Activations.load(folder)


def test_shards_in_another_order_and_no_json(tmp_path):
    folder = write(tmp_path / "store")
    text = manifest_of(folder).read_text()
    content = content_of(manifest_of(folder))
    content["shards"].reverse()
    forge(manifest_of(folder), content)
    with pytest.raises(ValueError, match="invalid entry 'shards'"):
        Activations.load(folder)
    for broken in (text[:50], "[1]", "\x80"):
        manifest_of(folder).write_text(broken)
        with pytest.raises(ValueError, match=r"is not valid JSON|but an object is expected"):
            Activations.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"vocabulary": ["a", " b", "c"]},
        {"vocabulary": None},
        {"metadata": {"hook_point": "resid_post.2"}},
        {"source": None},
        {"shards": -1},
    ],
)
def test_a_manifest_that_was_changed_is_found_without_reading_the_rows(tmp_path, change):
    folder = write(tmp_path / "store")
    content = json.loads(manifest_of(folder).read_text())
    if change == {"shards": -1}:
        change = {"shards": content["shards"][:-1]}
    manifest_of(folder).write_text(json.dumps(content | change))
    for read in (Activations.load, store_digest, ActivationsWriter):
        with pytest.raises(ValueError, match="was changed after it was written"):
            read(folder)
    del content["manifest_sha256"]
    manifest_of(folder).write_text(json.dumps(content))
    with pytest.raises(ValueError, match="does not begin with its own hash"):
        Activations.load(folder)


def gone():
    """Return the owner that a process of this machine was."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return replace(Owner.here(), pid=process.pid)
