"""Aligned activations side by side: nothing is copied, and tokens must agree."""

import numpy as np
import pytest

from skdict import Activations, SparseDictionaryAutoencoder
from skdict.feature_extraction import join_activations


def acts(width=3, seed=0, n_rows=40, **changes):
    rng = np.random.default_rng(seed)
    columns = {
        "documents": np.arange(n_rows) // 8,
        "positions": np.arange(n_rows) % 8,
        "token_ids": np.arange(n_rows) % 5,
        "vocabulary": list("abcde"),
        "metadata": {"model": "m", "hook_point": f"resid_post.{seed}"},
    }
    rows = rng.standard_normal((n_rows, width)).astype(np.float32)
    return Activations(rows, **columns | changes)


def test_rows_stand_side_by_side_with_their_tokens():
    parts = {"resid_post.0": acts(3), "resid_post.1": acts(4, 1)}
    rows, blocks = join_activations(parts)
    assert blocks == [3, 4]
    assert rows.shape == (40, 7)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.hstack(list(map(np.asarray, parts.values()))))
    np.testing.assert_array_equal(rows.documents, parts["resid_post.0"].documents)
    assert rows.token(3) == "d"
    own = [{"hook_point": "resid_post.0"}, {"hook_point": "resid_post.1"}]
    assert rows.metadata == {"model": "m", "blocks": own}


@pytest.mark.parametrize("key", [slice(5, 9), slice(None, None, 3), [4, 30, 2], 7, -1])
def test_indexing_equals_that_of_the_joined_array(key):
    parts = [acts(3), acts(4, 1)]
    rows, _ = join_activations(parts)
    joined = np.hstack(list(map(np.asarray, parts)))
    np.testing.assert_array_equal(rows[key], joined[key])
    np.testing.assert_array_equal(rows[rows.documents == 2][1:], joined[rows.documents == 2][1:])


def test_views_join_without_the_rows_left_out():
    parts = [acts(3), acts(4, 1)]
    chosen = [part[part.token_ids != 2] for part in parts]
    rows, _ = join_activations(chosen)
    np.testing.assert_array_equal(rows, np.hstack(list(map(np.asarray, chosen))))


def test_rows_are_read_only_when_they_are_needed(tmp_path, monkeypatch):
    parts = []
    for i in range(2):
        acts(3, i).save(tmp_path / str(i))
        parts.append(Activations.load(tmp_path / str(i)))
    rows, blocks = join_activations(parts)
    monkeypatch.setattr(Activations, "__array__", None)
    assert rows[2:9].shape == (7, 6)
    monkeypatch.undo()
    assert rows.shape == (40, 6)
    rows.save(tmp_path / "joined")
    np.testing.assert_array_equal(Activations.load(tmp_path / "joined"), rows)
    options = {"blocks": blocks, "max_iter": 1, "random_state": 0, "device": "cpu"}
    lazy = SparseDictionaryAutoencoder(8, **options).fit(rows)
    whole = SparseDictionaryAutoencoder(8, **options).fit(np.asarray(rows))
    np.testing.assert_array_equal(lazy.components_, whole.components_)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"n_rows": 32}, "'a' has 40 rows but 'b' has 32"),
        ({"token_ids": np.arange(40) % 4}, "'a' and 'b' differ in token_ids at 32 of 40"),
        ({"documents": np.arange(40) // 10}, "differ in documents"),
        ({"vocabulary": list("abcdf")}, "different vocabularies"),
    ],
)
def test_rows_of_other_tokens_are_rejected(changes, match):
    if "documents" in changes:
        changes = changes | {"positions": np.arange(40)}
    with pytest.raises(ValueError, match=match):
        join_activations({"a": acts(), "b": acts(**changes)})


def test_parts_must_be_activations():
    with pytest.raises(TypeError, match="part 1 is ndarray; pass Activations"):
        join_activations([acts(), np.zeros((40, 2))])
    with pytest.raises(ValueError, match="activations is empty"):
        join_activations([])
