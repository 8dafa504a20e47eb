"""A number of active codes can be asked for, and is reached on rows that were not trained on."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition._held_out import split_rows


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(
        24_000, n_features=64, n_components=128, n_active=5, random_state=0
    ).X


@pytest.mark.parametrize("target", [6, 12, 25])
def test_target_is_reached_on_held_out_rows(rows, target):
    sae = SparseDictionaryAutoencoder(256, target_l0=target, random_state=0).fit(rows[:20_000])
    codes = sae.transform(rows[20_000:])
    assert codes.nnz / codes.shape[0] == pytest.approx(target, rel=0.05)
    assert sae.alpha_ == sae.history_[-1]["alpha"] != 0.1
    assert sae.alpha == "auto"


def test_the_alpha_found_gives_nearly_that_l0_by_itself(rows):
    steered = SparseDictionaryAutoencoder(256, target_l0=8, random_state=0).fit(rows)
    plain = SparseDictionaryAutoencoder(256, alpha=steered.alpha_, random_state=0).fit(rows)
    assert plain.alpha_ == steered.alpha_
    assert plain.history_[-1]["l0"] == pytest.approx(8, rel=0.1)


def test_a_target_out_of_reach_is_told_of(rows):
    # More codes than are positive without any penalty.
    sae = SparseDictionaryAutoencoder(64, target_l0=63, max_iter=4, random_state=0)
    with pytest.warns(ConvergenceWarning, match="target_l0=63 was not reached"):
        sae.fit(rows[:3000, :16])


def test_blocks_go_on_from_the_alpha_found(rows):
    sae = SparseDictionaryAutoencoder(128, target_l0=8, batch_size=128, random_state=0)
    for start in range(0, 20_000, 500):
        sae.partial_fit(rows[start : start + 500])
    assert sae.history_[-1]["l0"] == pytest.approx(8, rel=0.2)
    assert len({entry["alpha"] for entry in sae.history_}) > 20


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"target_l0": 0}, "target_l0=0 is not accepted"),
        ({"target_l0": np.nan}, "target_l0=nan"),
        ({"target_l0": 100}, "more than the 32 features"),
        ({"target_l0": 5, "alpha": 0}, "alpha=0 cannot be adjusted"),
    ],
)
def test_bad_targets(rows, params, message):
    with pytest.raises(ValueError, match=message):
        SparseDictionaryAutoencoder(32, **params).fit(rows[:100])


def test_rows_held_out_are_the_last():
    sae = SparseDictionaryAutoencoder(target_l0=3)
    trained, held_out = split_rows(sae, np.arange(200).reshape(100, 2))
    assert (len(trained), len(held_out)) == (95, 5)
    assert held_out[0, 0] == 190
    assert [len(part) for part in split_rows(sae, np.zeros((10, 2)))] == [10, 10]
    assert len(split_rows(sae, np.zeros((10**6, 1)))[1]) == 4096


def test_thresholds_hold_out_only_where_that_is_many_rows():
    sae = SparseDictionaryAutoencoder(activation="batch_topk")
    assert split_rows(sae, np.zeros((20_000, 1)))[1] is None
    assert [len(part) for part in split_rows(sae, np.zeros((20_480, 1)))] == [19_456, 1024]
    assert len(split_rows(sae, np.zeros((10**7, 1)))[1]) == 2**17
    for activation in ("relu", "topk"):
        alone = SparseDictionaryAutoencoder(activation=activation)
        assert split_rows(alone, np.zeros((10**6, 1)))[1] is None
