"""An autocast around fits and codes changes nothing; `precision` is what rounds products."""

import numpy as np
import pytest
import torch

from skdict import SparseDictionaryAutoencoder, sparse_dictionary_path


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((600, 12), dtype=np.float32)


def new_sae(activation):
    target = {} if activation == "relu" else {"target_l0": 4}
    options = {"max_iter": 1, "device": "cpu", "random_state": 0} | target
    return SparseDictionaryAutoencoder(24, activation=activation, **options)


@pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")
@pytest.mark.filterwarnings("ignore:target_l0")
@pytest.mark.parametrize("activation", ["relu", "topk", "batch_topk", "jumprelu"])
def test_it_changes_no_bit(activation, rows, short_epochs):
    def everything():
        sae = new_sae(activation).fit(rows)
        block = new_sae(activation).partial_fit(rows)
        return sae.components_, sae.transform(rows).toarray(), block.components_

    plain = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = everything()
    for one, other in zip(plain, rounded, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_changes_no_bit_of_a_path(rows, short_epochs):
    options = {"n_components": 24, "max_iter": 1, "device": "cpu", "random_state": 0}
    plain = sparse_dictionary_path(rows, alphas=[0.1, 0.2], **options)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = sparse_dictionary_path(rows, alphas=[0.1, 0.2], **options)
    for one, other in zip(plain, rounded, strict=True):
        np.testing.assert_array_equal(one.components_, other.components_)
