"""Dictionaries of a stack of layers, each started from the one below."""

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder
from skdict.decomposition import IdentityDictionary, fit_layers

pytestmark = [
    pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning"),
    pytest.mark.usefixtures("short_epochs"),
]


def make_layers(n_layers=3, n_rows=1000):
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((12, 8))
    codes = (rng.random((n_rows, 12)) < 0.15) * rng.random((n_rows, 12))
    return {f"layer {i}": codes @ atoms * 2**i + i for i in range(n_layers)}


def new(**options):
    options = {"alpha": 0.05, "max_iter": 2, "random_state": 0, "device": "cpu"} | options
    return SparseDictionaryAutoencoder(16, **options)


def test_each_layer_starts_from_the_one_below():
    layers, estimator = make_layers(), new()
    fitted = fit_layers(estimator, layers)
    assert list(fitted) == list(layers)
    below = None
    for name, rows in layers.items():
        alone = new(dict_init=below).fit(rows)
        np.testing.assert_array_equal(fitted[name].components_, alone.components_)
        below = alone
    assert estimator.dict_init is None
    assert not hasattr(estimator, "components_")


def test_layers_can_start_alike():
    layers = make_layers(2)
    fitted = fit_layers(new(), layers, from_below=False)
    for name, rows in layers.items():
        np.testing.assert_array_equal(fitted[name].components_, new().fit(rows).components_)


def test_features_that_stay_keep_their_indices():
    layers = make_layers(2)
    low, high = fit_layers(new(max_iter=10), layers).values()
    alive = (low.firing_counts_ > 0) & (high.firing_counts_ > 0)
    cosines = (low.components_ * high.components_).sum(1)
    assert alive.sum() >= 8
    assert (cosines[alive] > 0.85).all()


@pytest.mark.parametrize(
    ("estimator", "layers", "error", "match"),
    [
        (new(), [np.zeros((2, 2))], TypeError, "layers is list; pass a dict"),
        (IdentityDictionary(), make_layers(), TypeError, "IdentityDictionary has no dict_init"),
        (new(), {}, ValueError, "pass at least one layer"),
        (new(), {"a": np.eye(3), "b": np.eye(4)}, ValueError, r"widths {'a': 3, 'b': 4}"),
        (new(debias=True), make_layers(), ValueError, "training cannot start from"),
    ],
)
def test_what_cannot_be_stacked_is_rejected(estimator, layers, error, match):
    with pytest.raises(error, match=match):
        fit_layers(estimator, layers)
