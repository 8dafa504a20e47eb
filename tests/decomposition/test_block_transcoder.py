"""One block of a crosscoder is a transcoder from whole rows to the columns of the block."""

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder, SparseTranscoder, intervene
from skdict.decomposition import (
    block_transcoder,
    check_reconstructs_rows,
    dictionary_atoms,
    is_transcoder,
)
from skdict.interventions import Ablate
from skdict.io import load_dictionary, save_dictionary
from skdict.metrics import fvu
from tests.conftest import build

pytestmark = [
    pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning"),
    pytest.mark.usefixtures("short_epochs"),
]


def make(activation="relu", width=16):
    X = np.random.default_rng(0).exponential(size=(300, 2 * width))
    sae = SparseDictionaryAutoencoder(
        24, activation=activation, blocks=[width, width], max_iter=2, random_state=0, device="cpu"
    )
    return X, sae.fit(X)


@pytest.mark.parametrize("activation", ["relu", "topk", "batch_topk", "jumprelu"])
def test_it_predicts_the_columns_of_its_block(activation, tmp_path):
    X, sae = make(activation)
    codes = sae.transform(X)
    rebuilt = sae.inverse_transform(codes)
    for i, columns in enumerate([slice(0, 16), slice(16, 32)]):
        part = block_transcoder(sae, i)
        assert (part.transform(X) != codes).nnz == 0
        np.testing.assert_allclose(part.predict(X), rebuilt[:, columns], atol=1e-12)
        np.testing.assert_allclose(
            1 - part.score(X, X[:, columns]), fvu(X[:, columns], part.predict(X))
        )
        np.testing.assert_allclose(dictionary_atoms(part), sae.components_[:, columns], atol=1e-12)
        save_dictionary(part, tmp_path / str(i))
        again = load_dictionary(tmp_path / str(i))
        np.testing.assert_array_equal(again.predict(X), part.predict(X))
        assert again.block_ == i


def test_a_block_that_does_not_exist_is_not_saved(tmp_path):
    part = block_transcoder(make()[1], 1)
    part.block_ = 2
    with pytest.raises(ValueError, match="block_=2 but 2 blocks"):
        save_dictionary(part, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_it_counts_as_a_transcoder_and_cannot_be_trained():
    X, sae = make()
    part = block_transcoder(sae, 0)
    assert is_transcoder(part)
    with pytest.raises(ValueError, match="predicts other rows"):
        check_reconstructs_rows(part)
    with pytest.raises(ValueError, match="differs from the value used for earlier rows"):
        part.partial_fit(X, X[:, :16])
    with pytest.raises(TypeError, match="is one block of a dictionary"):
        SparseTranscoder(24, dict_init=part).fit(X, X[:, :16])


def test_other_arguments_are_rejected():
    X, sae = make()
    with pytest.raises(ValueError, match="block=2 does not exist; pass 0 to 1"):
        block_transcoder(sae, 2)
    with pytest.raises(TypeError, match="block=0.0 is not an integer"):
        block_transcoder(sae, 0.0)
    for other in (block_transcoder(sae, 0), SparseDictionaryAutoencoder(8, max_iter=1).fit(X)):
        with pytest.raises(TypeError, match="was not fitted with blocks"):
            block_transcoder(other, 0)


def test_interventions_refuse_codes_of_several_hook_points():
    _, sae = make()
    model = build("llama")
    for hook_point, dictionary in (
        ("resid_post.1", sae),
        (("resid_post.0", "resid_post.1"), block_transcoder(sae, 1)),
    ):
        with (
            pytest.raises(ValueError, match="encodes 2 hook points side by side"),
            intervene(model, hook_point, dictionary, Ablate([0])),
        ):
            pass
