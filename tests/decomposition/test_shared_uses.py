"""Dictionaries held in parts, processes that disagree or fail, and fits that are resumed."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder
from skdict.io import fit_resumable, load_dictionary, save_dictionary
from tests.decomposition.shared_fits import CASES, fit_case, rows_of, short_and_without_ties
from tests.decomposition.shared_uses import USED, partial_fit
from tests.in_processes import finish, run, start

SCRIPT = Path(__file__).with_name("shared_uses.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return the folder of two processes, and what each of them found."""
    folder = tmp_path_factory.mktemp("shared")
    run(SCRIPT, 2, "uses", folder, folder=folder)
    return folder, [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(2)]


@pytest.mark.parametrize("case", USED)
def test_parts_are_used_together_as_a_whole(case, shared):
    whole, rows = fit_case(case), rows_of(case)
    codes = whole.transform(rows[0])
    for rank, part in enumerate(one["parts"][case] for one in shared[1]):
        assert part["range"] == ((0, 7, 13), (7, 13, 13))[rank]
        assert part["shape"] == (7 - rank, whole.components_.shape[1])
        for name in ("codes", "loaded"):
            np.testing.assert_allclose(part[name].toarray(), codes.toarray(), atol=1e-10)
        np.testing.assert_allclose(part["rows"], whole.inverse_transform(codes), atol=1e-10)
        assert part["score"] == pytest.approx(whole.score(*rows))
        assert re.match("ValueError: (this process holds only features|codes have)", part["told"])


@pytest.mark.parametrize("case", USED)
def test_what_was_saved_in_parts_is_loaded_whole_or_in_parts(case, shared):
    folder, whole, X = shared[0] / case, fit_case(case), rows_of(case)[0]
    loaded = load_dictionary(folder)
    assert loaded.metadata_ == {"case": case}
    names = ["components_", "encoder_", "encoder_bias_", "firing_counts_", "mean_"]
    names += ["blocks_", "block_norms_", "scale_", "outlier_cutoff_"] * case.endswith("blocks")
    for name in names:
        np.testing.assert_allclose(getattr(loaded, name), getattr(whole, name), atol=1e-10)
    assert sorted(path.name for path in folder.iterdir()) == [
        "dictionary-0-7.safetensors",
        "dictionary-7-13.safetensors",
        "dictionary.json",
    ]
    if case == "transcoder":
        with pytest.raises(ValueError, match="one process cannot use in parts"):
            load_dictionary(folder, in_parts=True)
        return
    parts, codes = load_dictionary(folder, in_parts=True), whole.transform(X)
    np.testing.assert_allclose(parts.transform(X).toarray(), codes.toarray(), atol=1e-10)
    np.testing.assert_allclose(
        parts.inverse_transform(codes), whole.inverse_transform(codes), atol=1e-10
    )
    np.testing.assert_array_equal(parts.components_, loaded.components_)
    with pytest.raises(ValueError, match="8 features"):
        parts.fit(np.zeros((3, 8)))


def test_a_damaged_part_is_rejected(shared, tmp_path):
    for source in (shared[0] / "topk").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    content = (tmp_path / "dictionary-7-13.safetensors").read_bytes()
    (tmp_path / "dictionary-7-13.safetensors").write_bytes(content[:-8] + bytes(8))
    with pytest.raises(ValueError, match="does not match the hash"):
        load_dictionary(tmp_path)
    (tmp_path / "dictionary-7-13.safetensors").unlink()
    with pytest.raises(ValueError, match="missing"):
        load_dictionary(tmp_path)


def test_a_dictionary_saved_whole_has_no_parts(tmp_path):
    save_dictionary(fit_case("topk"), tmp_path / "sae")
    with pytest.raises(ValueError, match="saved as a whole"):
        load_dictionary(tmp_path / "sae", in_parts=True)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("alpha", "ValueError: alpha is 1.1 in process 1 but 0.1", "ValueError: alpha is 1.1"),
        ("shape", r"ValueError: the shape of X is \(301, 6\) in", "ValueError: the shape of X"),
        ("rows", "ValueError: the SHA-256 of a sample of X is", "ValueError: the SHA-256"),
        (
            "blocks",
            r"ValueError: blocks is \[3, 3\] in process 1 but \[2, 4\] in process 0",
            r"ValueError: blocks is \[3, 3\]",
        ),
        ("version", "ValueError: the version of skdict is '0.1' in process 1", "ValueError"),
        (
            "nan",
            "ValueError: Input X contains NaN: first at row 7",
            "RuntimeError: process 0 .*NaN",
        ),
        ("batch", "ValueError: batches of 1 rows cannot be shared by 2", "ValueError: batches"),
        ("invalid", "ValueError: max_iter=0", "RuntimeError: process 0 of the group .*max_iter=0"),
    ],
)
def test_processes_that_disagree_all_say_so(name, first, second, shared):
    told = [found["disagree"][name] for found in shared[1]]
    assert re.match(first, told[0])
    assert re.match(second, told[1])


def test_the_seed_is_that_of_the_first_process(shared):
    one, other = (found["disagree"]["fitted"] for found in shared[1])
    np.testing.assert_array_equal(one, other)


def test_blocks_are_shared_too(shared):
    for found in shared[1]:
        expected = partial_fit(None).components_
        np.testing.assert_allclose(found["partial_fit"], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shard", ["rows", "components"])
def test_a_fit_of_two_is_resumed_by_two_and_by_one(shard, shared):
    folder, found = shared
    options = {"n_components": 13, "batch_size": 65, "max_iter": 4, "random_state": 0}
    sae = SparseDictionaryAutoencoder(**options, **CASES["batch_topk"], device="cpu")
    with short_and_without_ties(min_steps=10):
        resumed = fit_resumable(sae, rows_of("")[0], folder / f"one {shard}").components_
        whole = sae.fit(rows_of("")[0]).components_
    for one in (resumed, *(result[shard] for result in found)):
        np.testing.assert_allclose(one, whole, rtol=1e-10, atol=1e-10)
    assert not (folder / f"{shard}.checkpoint.safetensors").exists()
    np.testing.assert_array_equal(load_dictionary(folder / shard).components_, found[0][shard])


@pytest.mark.parametrize("how", ["killed", pytest.param("raises", marks=pytest.mark.slow)])
def test_if_one_process_fails_the_other_ends_with_a_message(how, tmp_path):
    (code, _, told), (other, _, cause) = finish(start(SCRIPT, 2, how, tmp_path, folder=tmp_path))
    assert code == 1
    assert "ConnectionError: process 0 lost contact with another process" in told
    assert other == 9 if how == "killed" else "MemoryError: no memory left" in cause
    assert not (tmp_path / "sae").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "columns"}, "pass one of None, 'rows', 'components'"),
        ({"shard": "components", "debias": True}, "refits all features together"),
    ],
)
def test_what_cannot_be_shared_is_rejected(options, message):
    with pytest.raises(ValueError, match=message):
        SparseDictionaryAutoencoder(4, **options).fit(rows_of("")[0])


def test_without_a_process_group_nothing_changes():
    X = rows_of("")[0]
    alone = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(X)
    for shard in ("rows", "components"):
        sae = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0, shard=shard).fit(X)
        np.testing.assert_array_equal(sae.components_, alone.components_)
        assert sae.history_ == alone.history_
    with pytest.raises(ValueError, match="partial_fit does not support shard='components'"):
        sae.partial_fit(X)
