"""What is saved is what is loaded, and what is damaged is refused."""

import json
import pickle

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from skdict import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
)
from skdict.io import load_dictionary, save_dictionary
from tests.manifests import content_of, forge
from tests.signed_topk import SignedTopK


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((200, 6)) + 2


def fit(rows, **options):
    return SparseDictionaryAutoencoder(10, max_iter=2, random_state=0, **options).fit(rows)


@pytest.mark.parametrize(
    "estimator",
    [
        SparseDictionaryAutoencoder(10, max_iter=2, random_state=0),
        SparseDictionaryAutoencoder(10, max_iter=2, tied_weights=False, sparse_output=False),
        SparseDictionaryAutoencoder(10, max_iter=2, activation="topk", target_l0=3),
        SparseDictionaryAutoencoder(10, max_iter=2, activation="batch_topk", target_l0=2.5),
        SparseDictionaryAutoencoder(10, max_iter=2, activation="batch_topk", debias=True),
        SparseDictionaryAutoencoder(10, max_iter=2, matryoshka=[1 / 16 + 0.1, 0.5]),
        RandomDictionary(9, random_state=0),
        IdentityDictionary(),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loading_gives_back_what_was_saved(estimator, dtype, rows, tmp_path):
    rows = rows.astype(dtype)
    fitted = estimator.fit(rows)
    metadata = {"model": "stories", "hook_point": "resid_post.2"}
    save_dictionary(fitted, tmp_path / "saved", metadata=metadata)
    again = load_dictionary(tmp_path / "saved")
    assert type(again) is type(fitted)
    assert again.get_params() == fitted.get_params()
    assert again.metadata_ == metadata
    codes = [
        np.asarray(getattr(c, "toarray", lambda c=c: c)())
        for c in (fitted.transform(rows), again.transform(rows))
    ]
    np.testing.assert_array_equal(*codes)
    assert codes[1].dtype == dtype
    assert again.score(rows) == fitted.score(rows)
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == [
        "dictionary.json",
        "dictionary.safetensors",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]


@pytest.mark.parametrize("prefixes", [(2, 5), np.array([2, 5]), [np.int64(2), np.int32(5)]])
def test_sequences_of_numbers_come_back_as_lists(prefixes, rows, tmp_path):
    fitted = fit(rows, matryoshka=prefixes)
    save_dictionary(fitted, tmp_path / "saved")
    again = load_dictionary(tmp_path / "saved")
    assert again.matryoshka == [2, 5]
    again.set_params(random_state=0).fit(rows)
    np.testing.assert_array_equal(again.components_, fitted.components_)


def test_metadata_lasts_until_the_next_fit(rows, tmp_path):
    save_dictionary(fit(rows), tmp_path / "a", metadata={"model": "m"})
    loaded = load_dictionary(tmp_path / "a")
    save_dictionary(loaded, tmp_path / "b")
    assert load_dictionary(tmp_path / "b").metadata_ == {"model": "m"}
    assert not hasattr(loaded.fit(rows), "metadata_")


def test_training_goes_on_from_a_loaded_dictionary(rows, tmp_path):
    sae = fit(rows)
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert again.history_ == sae.history_
    np.testing.assert_array_equal(
        again.partial_fit(rows).components_, sae.partial_fit(rows).components_
    )


def assert_same_attributes(one, other):
    for name, value in vars(one).items():
        if name.endswith("_"):
            np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)
            assert type(getattr(other, name)) is type(value), name


@pytest.mark.parametrize(
    ("activation", "due"),
    [("topk", {"k_"}), ("batch_topk", {"thresholds_"}), (SignedTopK(3), {"k_", "signed_"})],
)
def test_what_decides_codes_is_kept_to_the_bit(activation, due, rows, tmp_path):
    sae = fit(rows, activation=activation)
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert due <= set(vars(again))
    assert_same_attributes(sae, again)
    one, other = (dictionary.transform(rows).toarray() for dictionary in (sae, again))
    assert one.any()
    np.testing.assert_array_equal(other, one)


TRANSCODERS = {
    "relu": {"skip_connection": True},
    "topk": {"activation": "topk", "target_l0": 3},
    "jumprelu": {"activation": "jumprelu", "alpha": 0.01, "skip_connection": True},
}


def fit_transcoder(rows, **options):
    transcoder = SparseTranscoder(10, max_iter=2, random_state=0, **options)
    return transcoder.fit(rows, np.abs(rows[:, :4]))


@pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", TRANSCODERS)
def test_transcoders_are_kept_to_the_bit(kind, dtype, rows, tmp_path):
    rows = rows.astype(dtype)
    transcoder = fit_transcoder(rows, **TRANSCODERS[kind])
    save_dictionary(transcoder, tmp_path / "saved", metadata={"hook_point": "mlp_in.2"})
    again = load_dictionary(tmp_path / "saved")
    assert type(again) is SparseTranscoder
    assert again.get_params() == transcoder.get_params()
    assert again.metadata_ == {"hook_point": "mlp_in.2"}
    assert_same_attributes(transcoder, again)
    assert {"target_mean_", "target_scale_", "target_outlier_cutoff_"} <= set(vars(again))
    np.testing.assert_array_equal(again.predict(rows), transcoder.predict(rows))
    blocks = [t.partial_fit(rows, np.abs(rows[:, :4])).components_ for t in (transcoder, again)]
    np.testing.assert_array_equal(*blocks)


def test_a_transcoder_is_not_read_as_another_class(rows, tmp_path):
    save_dictionary(fit_transcoder(rows, skip_connection=True), tmp_path / "tc")
    save_dictionary(fit(rows), tmp_path / "sae")
    swapped = {
        "tc": ("SparseDictionaryAutoencoder", "skip_, which only a transcoder has"),
        "sae": ("SparseTranscoder", "lacks target_mean_"),
    }
    for folder, (other, message) in swapped.items():
        path = tmp_path / folder / "dictionary.json"
        forge(path, content_of(path) | {"class": other, "params": {}})
        with pytest.raises(ValueError, match=message):
            load_dictionary(tmp_path / folder)
    with pytest.raises(TypeError, match="SparseTranscoder cannot be written in the format of"):
        save_dictionary(fit_transcoder(rows), tmp_path / "there", format="dictionary_learning")


def test_an_activation_object_is_kept_by_name(rows, tmp_path):
    sae = fit(rows, activation=SignedTopK(3))
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert again.activation == "SignedTopK"
    assert (again.transform(rows).toarray() < 0).any()
    with pytest.raises(ValueError, match="activation='SignedTopK' is not accepted"):
        again.fit(rows)
    again.set_params(activation=SignedTopK(3), max_iter=1).fit(rows)


@pytest.mark.parametrize("start", ["dictionary", "directions"])
def test_where_training_started_is_not_kept(start, rows, tmp_path):
    earlier = fit(rows)
    given = {"dictionary": earlier, "directions": earlier.components_}[start]
    sae = fit(rows, dict_init=given)
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert again.dict_init is None
    assert_same_attributes(sae, again)


def test_feature_names_are_kept(rows, tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    save_dictionary(fit(frame), tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert list(again.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        again.transform(frame[list("fedcba")])


def test_an_earlier_dictionary_is_replaced_and_other_folders_are_not(rows, tmp_path):
    save_dictionary(fit(rows), tmp_path / "sae")
    save_dictionary(fit(rows, alpha=0.2), tmp_path / "sae")
    assert load_dictionary(tmp_path / "sae").alpha == 0.2
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("data")
    with pytest.raises(FileExistsError, match="is not a saved dictionary"):
        save_dictionary(fit(rows), tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "data"


def test_what_cannot_be_saved(rows, tmp_path):
    with pytest.raises(TypeError, match=r"PCA cannot be saved as tensors; .* joblib\.dump"):
        save_dictionary(PCA(2).fit(rows), tmp_path / "pca")
    with pytest.raises(NotFittedError):
        save_dictionary(SparseDictionaryAutoencoder(), tmp_path / "sae")
    with pytest.raises(ValueError, match="'skdict', 'saelens'"):
        save_dictionary(fit(rows), tmp_path / "sae", format="pickle")
    with pytest.raises(TypeError, match="JSON"):
        save_dictionary(fit(rows), tmp_path / "sae", metadata={"model": object()})
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Would run code if anything unpickled it."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_damage_is_told_and_nothing_is_run(rows, tmp_path):
    folder = tmp_path / "sae"
    save_dictionary(fit(rows), folder)
    manifest, tensors = folder / "dictionary.json", folder / "dictionary.safetensors"
    whole, numbers = manifest.read_text(), tensors.read_bytes()

    def refuse(match, error=ValueError):
        with pytest.raises(error, match=match):
            load_dictionary(folder)
        manifest.write_text(whole)
        tensors.write_bytes(numbers)

    tensors.write_bytes(numbers[:-7])
    refuse("truncated, changed or missing")
    tensors.write_bytes(numbers[:-1] + bytes([numbers[-1] ^ 1]))
    refuse("truncated, changed or missing")
    tensors.unlink()
    refuse("truncated, changed or missing")
    tensors.write_bytes(pickle.dumps(Bomb()))
    refuse("truncated, changed or missing")
    manifest.write_text(whole[: len(whole) // 2])
    refuse("is not valid JSON")
    manifest.write_text("[1]")
    refuse("holds list, but an object is expected")
    manifest.write_text(json.dumps(json.loads(whole)))
    refuse("was changed after it was written")
    manifest.write_text(json.dumps(content_of(manifest)))
    refuse("does not begin with its own hash")
    manifest.unlink()
    with pytest.raises(FileNotFoundError, match="none of these: dictionary.json with"):
        load_dictionary(folder)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("activation", ["relu", "topk", "batch_topk", "jumprelu"])
def test_a_dictionary_fitted_on_a_gpu_is_used_on_the_cpu(activation, rows, tmp_path):
    target = {} if activation == "relu" else {"target_l0": 3}
    sae = SparseDictionaryAutoencoder(
        16, activation=activation, max_iter=1, device="cuda", random_state=0, **target
    ).fit(rows)
    save_dictionary(sae, tmp_path / "sae")
    loaded = load_dictionary(tmp_path / "sae").set_params(device="cpu")
    np.testing.assert_array_equal(loaded.components_, sae.components_)
    codes = loaded.transform(rows).toarray()
    np.testing.assert_allclose(codes, sae.transform(rows).toarray(), rtol=1e-3, atol=1e-4)
