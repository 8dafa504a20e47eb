"""Weights are what a fitted estimator holds, and nothing else of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from skdict._core import Weights


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    components, encoder = rng.standard_normal((2, 3, 4))
    return Weights(components, encoder, rng.standard_normal(3), rng.standard_normal(4), 2.0)


def test_an_estimator_holds_what_applies(weights):
    gained = replace(weights, code_gains=np.ones(3), code_offsets=np.zeros(3))
    for some in (weights, gained):
        estimator = SimpleNamespace(**some.attributes(), history_=[], alpha_=0.1)
        again = Weights.of(estimator)
        assert again.attributes().keys() == some.attributes().keys()
        assert all(again.attributes()[k] is v for k, v in some.attributes().items())
    assert set(gained.attributes()) - set(weights.attributes()) == {"code_gains_", "code_offsets_"}
    assert set(gained.attributes()) < set(Weights.attribute_names())


def test_a_missing_attribute_is_named(weights):
    held = weights.attributes()
    del held["encoder_"]
    with pytest.raises(AttributeError, match="encoder_"):
        Weights.of(SimpleNamespace(**held))


def test_tied(weights):
    assert not weights.tied
    assert replace(weights, encoder=weights.components.copy()).tied
