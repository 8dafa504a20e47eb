"""Kind M: texts, tokens and models that cannot be read are refused in words, by number."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from torch import nn
from transformers import ViTConfig, ViTModel, WhisperConfig, WhisperModel

from skdict import ActivationExtractor, RandomDictionary, SparseDictionaryAutoencoder
from skdict.evaluation import loss_recovered
from skdict.feature_extraction import FeatureVectorizer
from tests.conftest import build

TEXTS = ["hello", "abc", "world"]


@pytest.fixture
def pair(byte_tokenizer):
    return build("llama"), byte_tokenizer


@pytest.fixture
def small(byte_tokenizer):
    """A model with embeddings of 60 tokens, too few for 'z'."""
    model = build("llama")
    model.resize_token_embeddings(60)
    return model, byte_tokenizer


def extractor(pair, **options):
    return ActivationExtractor(pair, "resid_post.1", **options)


def test_tokens_beyond_the_embedding(small):
    z = small[1]("z")["input_ids"][0]
    assert z >= 60
    told = rf"texts\[1\] has the token 'z' \(id {z}\).* embeddings of 60 .*resize_token_embeddings"
    with pytest.raises(ValueError, match=told):
        extractor(small).transform(["ABC", "ABz"])
    chunks = extractor(small).iter_transform(["ABC", "AB", "AAz"], chunk_size=2)
    next(chunks)
    with pytest.raises(ValueError, match=r"texts\[2\] has the token 'z'"):
        next(chunks)
    dictionary = RandomDictionary(8, random_state=0).fit(np.eye(16, dtype=np.float32))
    with pytest.raises(ValueError, match=r"texts\[1\] has the token 'z'"):
        loss_recovered(small, "resid_post.1", dictionary, ["ABCD", "ABz"])


def test_tokens_that_are_cut_off_or_known_do_no_harm(small):
    assert extractor(small, max_length=3).transform(["ABCz"]).shape == (2, 16)
    small[0].resize_token_embeddings(len(small[1]))
    assert extractor(small).transform(["ABz"]).shape == (2, 16)


@pytest.mark.parametrize("text", ["w2 \ud83d", "\udcff", "a\ude00b"])
def test_lone_surrogates(pair, text):
    for refused in (
        lambda texts: extractor(pair).transform(texts),
        lambda texts: extractor(pair).fit(texts),
        lambda texts: list(extractor(pair).iter_transform(texts, chunk_size=1)),
        lambda texts: FeatureVectorizer(extractor(pair), RandomDictionary(4)).fit(texts),
    ):
        with pytest.raises(ValueError, match=r"texts\[2\] contains .*surrogate pair"):
            refused(["hello", "w\U0001f600", text])
    repaired = text.encode("utf-8", "replace").decode("utf-8")
    assert len(extractor(pair, skip_first=0).transform([repaired])) == len(repaired)


@pytest.mark.parametrize(("at", "chunk_size"), [(3, 2), (4, 3), (0, 1)])
def test_texts_of_a_stream_are_named_by_their_place(pair, at, chunk_size):
    for wrong, error in (("", ValueError), (None, TypeError), (" \n", ValueError)):
        texts = ["hello"] * 5
        texts[at] = wrong
        with pytest.raises(error, match=rf"texts\[{at}\] is"):
            list(extractor(pair).iter_transform(iter(texts), chunk_size=chunk_size))
    pooled = extractor(pair, pooling="max").iter_transform(["hello"] * 3 + ["h"], chunk_size=2)
    next(pooled)
    with pytest.raises(ValueError, match=r"texts\[3\] has no token left to pool"):
        next(pooled)


def vision():
    return ViTModel(
        ViTConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=16,
            patch_size=4,
        )
    )


def speech():
    return WhisperModel(
        WhisperConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            vocab_size=60,
            num_mel_bins=4,
            pad_token_id=0,
        )
    )


@pytest.mark.parametrize(("build_one", "reads"), [(vision, "pixel_values"), (speech, "input_feat")])
def test_models_that_read_something_else(build_one, reads, byte_tokenizer):
    model = build_one().eval()
    path = next(name for name, m in model.named_modules() if isinstance(m, nn.Linear))
    with pytest.raises(ValueError, match=rf"{type(model).__name__} reads {reads}.* token ids"):
        ActivationExtractor((model, byte_tokenizer), path).fit(TEXTS)


# set_output: in a Pipeline that begins with an extractor.


def test_pipelines_give_data_frames(pair):
    pandas = pytest.importorskip("pandas")
    plain = extractor(pair).transform(TEXTS)
    pipeline = Pipeline([("acts", extractor(pair))]).set_output(transform="pandas")
    frame = pipeline.fit_transform(TEXTS)
    assert isinstance(frame, pandas.DataFrame)
    np.testing.assert_array_equal(frame.to_numpy(), np.asarray(plain))
    assert frame.columns[3] == "resid_post.1_3"
    assert frame.index.names == ["document", "position"]
    np.testing.assert_array_equal(frame.index.get_level_values("document"), plain.documents)
    pooled = extractor(pair, pooling="mean").set_output(transform="pandas").transform(TEXTS)
    assert pooled.shape == (3, 16)


def test_steps_behind_an_extractor_with_a_container(pair):
    pandas = pytest.importorskip("pandas")
    sae = SparseDictionaryAutoencoder(8, max_iter=1, sparse_output=False, random_state=0)
    pipeline = Pipeline([("acts", extractor(pair)), ("sae", sae)])
    expected = clone(pipeline).fit_transform(TEXTS)
    codes = clone(pipeline).set_output(transform="pandas").fit_transform(TEXTS)
    assert isinstance(codes, pandas.DataFrame)
    np.testing.assert_allclose(codes.to_numpy(), expected, atol=1e-5)


def test_containers_are_kept_by_clones_and_checked(pair):
    wanted = extractor(pair).set_output(transform="pandas")
    assert clone(wanted)._sklearn_output_config == {"transform": "pandas"}
    assert type(wanted.set_output(transform="default").transform(TEXTS)).__name__ == "Activations"
    assert wanted.set_output(transform=None) is wanted
    with pytest.raises(ValueError, match="transform='numpy' is not accepted"):
        wanted.set_output(transform="numpy")
    vectorizer = FeatureVectorizer(extractor(pair), RandomDictionary(4, random_state=0))
    expected = vectorizer.fit_transform(TEXTS)
    vectorizer.extractor.set_output(transform="pandas")
    assert joblib.hash(np.asarray(vectorizer.fit_transform(TEXTS))) == joblib.hash(
        np.asarray(expected)
    )


def test_a_plain_module_is_not_asked_for_its_embedding(byte_tokenizer):
    model = nn.Sequential(nn.Embedding(300, 4), nn.Linear(4, 3)).eval()
    acts = ActivationExtractor((model, byte_tokenizer), "1", skip_first=0).transform(["az"])
    with torch.no_grad():
        expected = model(torch.tensor([byte_tokenizer("az")["input_ids"]]))[0]
    np.testing.assert_array_equal(np.asarray(acts), expected.numpy())
