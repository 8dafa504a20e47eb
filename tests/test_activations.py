"""Activations look like an array and remember tokens."""

import json
import pickle

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, cross_val_score

from skdict import Activations
from skdict.activations import Vocabulary


@pytest.fixture
def acts():
    rng = np.random.default_rng(0)
    return Activations(
        rng.standard_normal((10, 4), dtype=np.float32),
        documents=[0, 0, 0, 0, 1, 1, 1, 3, 3, 3],
        positions=[1, 2, 3, 4, 1, 2, 3, 1, 2, 3],
        token_ids=[0, 1, 2, 0, 1, 1, 1, 2, 0, 2],
        vocabulary=["a", " b", "c"],
        metadata={"hook_point": "resid_post.1"},
    )


def rows_of(acts):
    return np.asarray(acts)


def test_looks_like_an_array(acts):
    assert acts.shape == (10, 4)
    assert len(acts) == 10
    assert acts.ndim == 2
    assert acts.dtype == np.float32
    assert rows_of(acts[2]).shape == (4,)
    assert np.asarray(acts, dtype=np.float64).dtype == np.float64
    assert "10 tokens x 4" in repr(acts)
    assert "resid_post.1" in repr(acts)


@pytest.mark.parametrize(
    "key",
    [
        slice(2, 8),
        slice(None, None, 3),
        slice(5, 2),
        np.array([7, 0, 0, -1]),
        np.arange(10) % 2 == 0,
        [1, 2],
        (np.array([3, 1]), Ellipsis),
        (slice(1, 4), slice(None)),
    ],
)
def test_views_keep_rows_and_table_together(acts, key):
    view = acts[key]
    assert isinstance(view, Activations)
    plain = key[0] if isinstance(key, tuple) else key
    np.testing.assert_array_equal(rows_of(view), rows_of(acts)[plain])
    for name in ("documents", "positions", "token_ids"):
        np.testing.assert_array_equal(getattr(view, name), getattr(acts, name)[plain])


def test_views_of_views(acts):
    view = acts[2:9][np.array([5, 1, 3])][1:]
    np.testing.assert_array_equal(rows_of(view), rows_of(acts)[[3, 5]])
    np.testing.assert_array_equal(view.positions, [4, 2])
    np.testing.assert_array_equal(rows_of(acts[3:][2:4]), rows_of(acts)[5:7])


def test_columns_give_plain_arrays(acts):
    np.testing.assert_array_equal(acts[1:3, 2], rows_of(acts)[1:3, 2])
    np.testing.assert_array_equal(acts[np.array([4, 0]), :2], rows_of(acts)[[4, 0], :2])


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), np.array([0, 2])),
        ([0, 1], [2, 3]),
        (slice(None), None),
        (Ellipsis, 1),
        (slice(2, 4), slice(1, 3)),
        (3, 2),
        (np.array([1, 5]), 0),
    ],
)
def test_rows_and_columns_are_those_of_numpy(acts, key):
    np.testing.assert_array_equal(acts[key], rows_of(acts)[key])


def test_slices_copy_no_rows(acts):
    assert np.shares_memory(np.asarray(acts[2:5]), np.asarray(acts))
    assert not np.shares_memory(np.array(acts), np.asarray(acts))


def test_context_stays_in_the_document_even_in_a_view(acts):
    assert str(acts.context(2)) == "a b[c]a"
    assert str(acts.context(2, before=1, after=0)) == " b[c]"
    assert str(acts.context(4)) == "[ b] b b"
    single = acts[np.array([8])]
    assert str(single.context(0)) == "c[a]c"
    assert single.token(0) == "a"
    assert str(acts.context(-1)) == "ca[c]"


def test_without_vocabulary_pieces_are_ids():
    acts = Activations(np.eye(2), documents=[0, 0], positions=[0, 1], token_ids=[7, 9])
    assert str(acts.context(1)) == "<7>[<9>]"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_tensors_of_any_precision_are_rows(dtype):
    rows = torch.randn(3, 4, requires_grad=True).to(dtype)
    acts = Activations(rows, documents=[0, 0, 0], positions=[0, 1, 2], token_ids=[0, 0, 0])
    np.testing.assert_array_equal(np.asarray(acts), rows.detach().float().numpy())


def test_scikit_learn_takes_it(acts):
    scores = cross_val_score(
        PCA(1), acts, groups=acts.documents, cv=GroupKFold(3), error_score="raise"
    )
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(PCA(2).fit(acts).mean_, rows_of(acts).mean(0), rtol=1e-5)


def test_save_and_load(acts, tmp_path):
    acts.save(tmp_path / "store")
    loaded = Activations.load(tmp_path / "store")
    np.testing.assert_array_equal(rows_of(loaded), rows_of(acts))
    np.testing.assert_array_equal(loaded.documents, acts.documents)
    assert str(loaded.context(2)) == str(acts.context(2))
    assert loaded.metadata == acts.metadata
    assert isinstance(loaded._base["rows"][2:5], np.memmap)
    assert np.shares_memory(np.asarray(loaded), np.asarray(loaded[3:]))
    assert [p.name for p in tmp_path.iterdir()] == ["store"]
    acts[acts.documents == 1].save(tmp_path / "store")
    assert Activations.load(tmp_path / "store").shape == (3, 4)


def test_pickle(acts):
    again = pickle.loads(pickle.dumps(acts[3:6]))
    np.testing.assert_array_equal(rows_of(again), rows_of(acts)[3:6])


@pytest.fixture
def loaded(tmp_path):
    """A store of 5000 rows in documents of 50, whose content takes 200 KB and more."""
    numbers = np.arange(5000)
    Activations(
        np.random.default_rng(0).standard_normal((5000, 8), dtype=np.float32),
        documents=numbers // 50,
        positions=numbers % 50,
        token_ids=numbers % 1000,
        vocabulary=Vocabulary([f"piece {i}" for i in range(1000)], np.eye(1000, 4)),
        metadata={"hook_point": "resid_post.1"},
    ).save(tmp_path / "store")
    return Activations.load(tmp_path / "store")


@pytest.mark.parametrize(
    ("select", "most_bytes"),
    [
        (lambda acts: acts, 600),
        (lambda acts: acts[100:4000], 600),
        (lambda acts: acts[acts.documents % 5 != 4], 2000),
        (lambda acts: acts[[17]], 1000),
        (lambda acts: acts[[]], 1000),
        (lambda acts: acts[np.random.default_rng(0).permutation(5000)[:2000]], 8 * 2000 + 1000),
        (lambda acts: acts[::-2], 8 * 2500 + 1000),
    ],
)
def test_pickles_of_a_loaded_store_keep_its_path_and_row_numbers(loaded, select, most_bytes):
    view = select(loaded)
    content = pickle.dumps(view)
    assert len(content) <= most_bytes
    again = pickle.loads(content)
    assert (again.shape, again.dtype, repr(again)) == (view.shape, view.dtype, repr(view))
    for name in ("documents", "positions", "token_ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(view, name))
    np.testing.assert_array_equal(rows_of(again), rows_of(view))
    np.testing.assert_array_equal(again.vocabulary.vectors, view.vocabulary.vectors)
    assert again.vocabulary == view.vocabulary
    assert pickle.dumps(again) == content


def test_a_pickle_sees_that_its_store_is_missing_or_has_changed(loaded, tmp_path):
    folder, content = tmp_path / "store", pickle.dumps(loaded[3:6])
    rows = rows_of(loaded)[3:6]
    folder.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError, match=r"make the store available at .*store' on every"):
        rows_of(pickle.loads(content))
    loaded[:50].save(folder)
    with pytest.raises(ValueError, match="has changed since the store was loaded"):
        rows_of(pickle.loads(content))
    Activations.load(tmp_path / "away").save(folder)
    np.testing.assert_array_equal(rows_of(pickle.loads(content)), rows)


def test_save_refuses_other_folders(acts, tmp_path):
    (tmp_path / "precious").write_text("data")
    with pytest.raises(FileExistsError, match="not a store of activations"):
        acts.save(tmp_path)
    assert (tmp_path / "precious").read_text() == "data"


def test_load_says_what_is_wrong(acts, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"activations\.json"):
        Activations.load(tmp_path)
    acts.save(tmp_path / "store")
    manifest = tmp_path / "store" / "activations.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"version": 99}))
    with pytest.raises(ValueError, match="version 99"):
        Activations.load(tmp_path / "store")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rows": np.zeros((2, 2), int)}, TypeError, "float16, float32 or float64"),
        ({"rows": np.zeros(2)}, TypeError, "two-dimensional"),
        ({"documents": [0]}, ValueError, "pass 2 integers"),
        ({"token_ids": [0.5, 1.0]}, ValueError, "token_ids"),
        ({"documents": [1, 0]}, ValueError, "sort the rows"),
        ({"positions": [1, 1]}, ValueError, "row 1"),
        ({"token_ids": [0, -1]}, ValueError, r"token_ids\[1\] is -1; pass ids from 0 up, as"),
        ({"token_ids": [2, 0], "vocabulary": ["a", "b"]}, ValueError, r"\[0\] is 2.* 0 to 1"),
        ({"token_ids": [0, 0], "vocabulary": []}, ValueError, "the last in the vocabulary"),
        ({"vocabulary": {"a": 0}}, TypeError, "vocabulary is dict; pass a list"),
        ({"vocabulary": "ab"}, TypeError, "vocabulary is str; pass a list"),
    ],
)
def test_bad_tables(change, error, message):
    table = {
        "rows": np.zeros((2, 2)),
        "documents": [0, 0],
        "positions": [0, 1],
        "token_ids": [0, 0],
    } | change
    with pytest.raises(error, match=message):
        Activations(table.pop("rows"), **table)


@pytest.mark.parametrize("key", [10, -11])
def test_rows_out_of_range(acts, key):
    with pytest.raises(IndexError, match="out of range for 10 rows"):
        acts[key]


@pytest.mark.parametrize("key", [np.array([0.5]), np.array(3), [[1, 2]], Ellipsis])
def test_other_keys(acts, key):
    with pytest.raises(TypeError, match="array of integers or a boolean mask"):
        acts[key]


def test_metadata_that_is_not_json_writes_nothing(acts, tmp_path):
    acts.metadata["model"] = object()
    with pytest.raises(TypeError, match="JSON"):
        acts.save(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_need_a_copy_refuse_to_be_given_without_one():
    acts = Activations(
        np.ones((4, 2), "f"), documents=[0, 0, 1, 1], positions=[0, 1, 0, 1], token_ids=[0] * 4
    )
    assert np.shares_memory(np.array(acts[1:3], copy=False), np.asarray(acts))
    for rows in ([2, 0], acts.documents == 1):
        with pytest.raises(ValueError, match="copy=False"):
            np.array(acts[rows], copy=False)
