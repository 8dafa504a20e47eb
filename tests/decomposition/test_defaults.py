"""What "auto" means, and that it is told."""

import numpy as np
import pytest
from sklearn.base import clone

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import sparse_dictionary_path
from skdict.decomposition._defaults import DEFAULTS, setting
from tests.signed_topk import SignedTopK

ROWS = make_sparse_features(2000, n_features=16, n_components=32, n_active=3, random_state=0).X
NAMED = ("learning_rate", "bias_init", "dead_features", "tied_weights")


def new(activation, **params):
    return SparseDictionaryAutoencoder(
        24, activation=activation, max_iter=1, random_state=0, **params
    )


@pytest.mark.parametrize("activation", DEFAULTS)
def test_auto_is_the_same_as_what_it_stands_for(activation):
    sae = new(activation).fit(ROWS)
    meant = DEFAULTS[activation]
    assert {name: getattr(sae, f"{name}_") for name in NAMED} == {n: meant[n] for n in NAMED}
    assert sae.alpha_ == meant["alpha"]
    told = new(activation, **{name: meant[name] for name in NAMED})
    if meant["alpha"]:
        told.set_params(alpha=meant["alpha"])
    np.testing.assert_array_equal(sae.components_, told.fit(ROWS).components_)
    assert clone(sae).get_params()["alpha"] == "auto"


def test_what_is_given_is_what_is_used():
    given = {"learning_rate": 1e-3, "bias_init": "zeros", "dead_features": "ignore"}
    sae = new("topk", tied_weights=True, **given).fit(ROWS)
    assert {name: getattr(sae, f"{name}_") for name in given} == given
    assert sae.tied_weights_ and np.array_equal(sae.encoder_, sae.components_)


def test_an_activation_of_ones_own_has_the_defaults_of_its_kind():
    assert [setting(new(SignedTopK(3)), name) for name in NAMED] == [
        DEFAULTS["topk"][name] for name in NAMED
    ]


def test_partial_fit_and_paths_tell_too():
    sae = new("batch_topk", target_l0=4).partial_fit(ROWS)
    assert sae.learning_rate_ == DEFAULTS["batch_topk"]["learning_rate"] and not sae.tied_weights_
    path = sparse_dictionary_path(ROWS, target_l0s=[2, 4], activation="topk", max_iter=1)
    assert [one.dead_features_ for one in path] == ["auxk", "auxk"]


@pytest.mark.parametrize("name", [*NAMED, "alpha"])
def test_other_words_are_refused(name):
    error = TypeError if name in ("tied_weights", "alpha", "learning_rate") else ValueError
    with pytest.raises(error, match=f"{name}='default' is not accepted"):
        new("relu", **{name: "default"}).fit(ROWS)
