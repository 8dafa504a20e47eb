"""Rows are the model's own activations, each with its token."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from skdict import ActivationExtractor, Activations, SparseDictionaryAutoencoder, load_stories
from skdict.feature_extraction import extract_activations
from skdict.models import hook_points

TEXTS = ["abcdefgh", "xy", "hello there, world", "abc"]


@pytest.fixture
def pair(tiny_model, byte_tokenizer):
    return tiny_model, byte_tokenizer


def states(pair, text, block):
    """Return transformers' own hidden states of one text, without padding."""
    model, tokenizer = pair
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model(ids, output_hidden_states=True).hidden_states[block + 1][0].numpy()


@pytest.mark.parametrize("skip_first", [0, 1, 3])
def test_rows_equal_hidden_states_of_each_text_alone(pair, skip_first):
    extractor = ActivationExtractor(pair, "resid_post.1", skip_first=skip_first, batch_size=3)
    acts = extractor.fit_transform(TEXTS)
    assert isinstance(acts, Activations)
    expected = [states(pair, text, 1)[skip_first:] for text in TEXTS]
    np.testing.assert_allclose(np.asarray(acts), np.concatenate(expected), atol=2e-6)
    np.testing.assert_array_equal(
        acts.documents, np.repeat(np.arange(4), [len(rows) for rows in expected])
    )
    ids = [pair[1](text)["input_ids"][skip_first:] for text in TEXTS]
    np.testing.assert_array_equal(acts.token_ids, np.concatenate(ids))
    positions = [np.arange(skip_first, skip_first + len(rows)) for rows in expected]
    np.testing.assert_array_equal(acts.positions, np.concatenate(positions))


def test_module_paths_are_read_too(pair):
    model, tokenizer = pair
    path = next(name for name, _ in model.named_modules() if name.endswith("1.mlp"))
    acts = ActivationExtractor(pair, path, skip_first=0).fit_transform(["abcd"])
    seen = []
    handle = model.get_submodule(path).register_forward_hook(lambda m, a, out: seen.append(out))
    with torch.no_grad():
        model(torch.tensor([tokenizer("abcd")["input_ids"]]))
    handle.remove()
    np.testing.assert_allclose(np.asarray(acts), seen[0][0].numpy(), atol=1e-6)


def test_every_family_and_place_gives_rows(any_family, byte_tokenizer):
    _, model = any_family
    names = hook_points(model)
    together = extract_activations((model, byte_tokenizer), names, TEXTS, batch_size=3)
    assert set(together) == set(names)
    for name in names:
        alone = ActivationExtractor((model, byte_tokenizer), name, batch_size=1).transform(TEXTS)
        assert alone.shape == together[name].shape
        np.testing.assert_allclose(np.asarray(together[name]), np.asarray(alone), atol=5e-6)
        assert together[name].metadata["hook_point"] == name
        assert str(together[name].context(1)) == "b[c]defg"


def test_several_places_take_one_pass(pair):
    model, _ = pair
    passes = []
    handle = model.register_forward_pre_hook(lambda *_: passes.append(1))
    extract_activations(pair, ["mlp_out.0"], TEXTS)
    one = len(passes)
    extract_activations(pair, ["mlp_out.0", "attn_out.2", "resid_pre.1"], TEXTS)
    handle.remove()
    assert len(passes) <= 2 * one


@pytest.mark.parametrize(
    ("hook_points", "options", "error", "message"),
    [
        ("resid_post.0", {}, TypeError, r"such as \['resid_post.0'\]"),
        ([], {}, ValueError, "at least one name"),
        (["resid_pre.0", "resid_pre.0"], {}, ValueError, "each once"),
        (["resid_pre.0"], {"layer": 3}, TypeError, r"\['layer'\] are not options of .*; pass some"),
    ],
)
def test_bad_requests_for_several_places(pair, hook_points, options, error, message):
    with pytest.raises(error, match=message):
        extract_activations(pair, hook_points, TEXTS, **options)


def test_a_text_has_the_same_rows_alone_and_in_company(pair):
    extractor = ActivationExtractor(pair, "resid_post.1", skip_first=0)
    together = extractor.transform(TEXTS)
    for document, text in enumerate(TEXTS):
        alone = np.asarray(extractor.transform([text]))
        np.testing.assert_allclose(
            alone, np.asarray(together[together.documents == document]), atol=2e-6
        )


def test_padding_never_becomes_a_row_even_if_its_id_is_a_token(pair):
    # The padding id is 0, which is also the id of the token "<s>".
    acts = ActivationExtractor(pair, "resid_post.0", skip_first=0).transform(["<s>a", "abcdef"])
    np.testing.assert_array_equal(acts.token_ids[acts.documents == 0][0], 0)
    assert np.bincount(acts.documents).tolist() == [
        len(pair[1](text)["input_ids"]) for text in ["<s>a", "abcdef"]
    ]


def test_texts_are_cut_and_context_is_readable(pair):
    acts = ActivationExtractor(pair, "resid_post.0", max_length=4).transform(["abcdefgh"])
    assert acts.positions.tolist() == [1, 2, 3]
    assert str(acts.context(1)) == "b[c]d"
    assert acts.metadata["hook_point"] == "resid_post.0"


def test_texts_longer_than_the_context_are_cut_to_it(pair):
    acts = ActivationExtractor(pair, "resid_post.0").transform(["abcdefgh" * 20])
    assert acts.positions[-1] == 63


def test_half_precision_rows(pair):
    single = ActivationExtractor(pair, "resid_post.1").transform(TEXTS)
    half = ActivationExtractor(pair, "resid_post.1", dtype="float16").transform(TEXTS)
    assert half.dtype == np.float16
    np.testing.assert_allclose(np.asarray(half, np.float32), np.asarray(single), atol=2e-3)


def test_overflow_of_half_precision_is_refused(pair):
    model, _ = pair
    handle = model.base_model.get_input_embeddings().register_forward_hook(
        lambda module, args, output: output * 1e9
    )
    extractor = ActivationExtractor(pair, "resid_post.0", dtype="float16")
    try:
        with pytest.raises(ValueError, match="cannot hold .* use dtype='float32'"):
            extractor.transform(TEXTS)
    finally:
        handle.remove()


def test_clones_share_a_loaded_model_and_pickles_drop_it(pair):
    extractor = ActivationExtractor(pair, "resid_post.1", max_length=9)
    copy = clone(extractor)
    assert copy is not extractor
    assert copy.model[0] is pair[0]
    assert clone(Pipeline([("acts", extractor)]))["acts"].model[0] is pair[0]
    data = pickle.dumps(extractor)
    assert len(data) < 2000
    again = pickle.loads(data)
    assert again.max_length == 9
    with pytest.raises(ValueError, match=r"set_params\(model=\.\.\.\)"):
        again.fit(TEXTS)
    again.set_params(model=pair).fit(TEXTS)


def test_parameters_and_texts_are_left_alone(pair):
    # scikit-learn's checks skip estimators on texts, so this much is checked here.
    options = {"model": pair, "hook_point": "resid_post.0", "max_length": 7}
    extractor = ActivationExtractor(**options).set_params(batch_size=2)
    before, texts = extractor.get_params(), list(TEXTS)
    fitted_with = vars(extractor).copy()
    extractor.fit(texts).transform(texts)
    assert extractor.get_params() == before
    assert vars(extractor) == fitted_with
    assert texts == TEXTS
    ActivationExtractor(None, -1, max_length="x", dtype={})


def test_in_a_pipeline_and_a_search_over_texts():
    stories = load_stories()
    pipeline = Pipeline(
        [
            ("acts", ActivationExtractor(stories.model, "resid_post.1", max_length=32)),
            ("sae", SparseDictionaryAutoencoder(64, max_iter=1, random_state=0)),
        ]
    )
    long = [text for text in stories.texts if len(text) > 200]
    codes = pipeline.fit(stories.texts[:20]).transform(long[:4])
    assert codes.shape == (4 * 31, 64)
    search = GridSearchCV(pipeline, {"sae__alpha": [0.05, 0.5]}, cv=2, error_score="raise")
    assert search.fit(stories.texts[:10]).best_params_ == {"sae__alpha": 0.05}


def test_search_over_rows_split_by_document():
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.1", max_length=32)
    acts = extractor.fit_transform(stories.texts[:12])
    sae = SparseDictionaryAutoencoder(64, max_iter=1, random_state=0)
    search = GridSearchCV(sae, {"alpha": [0.05, 0.5]}, cv=GroupKFold(3), error_score="raise")
    search.fit(acts, groups=acts.documents)
    assert search.best_params_ == {"alpha": 0.05}


@pytest.mark.parametrize("kind", [tuple, np.array, lambda t: np.array(t, dtype=object)])
def test_many_kinds_of_texts(pair, kind):
    acts = ActivationExtractor(pair, "resid_post.0").transform(kind(TEXTS))
    assert acts.documents.max() == 3


def test_pandas_texts(pair):
    pd = pytest.importorskip("pandas")
    series = pd.Series(TEXTS, index=[5, 6, 7, 8])
    assert len(ActivationExtractor(pair, "resid_post.0").transform(series)) > 0


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("one text", TypeError, r"pass a list of texts, such as \[text\]"),
        ([], ValueError, "0 texts"),
        (["a b", ""], ValueError, r"texts\[1\] is empty"),
        (["a b", "  \n"], ValueError, r"texts\[1\] is empty"),
        (["a", 3], TypeError, r"texts\[1\] is int"),
        ([["a"]], TypeError, r"texts\[0\] is list"),
        (None, TypeError, "NoneType"),
        ((text for text in TEXTS), TypeError, "generator"),
        (np.array([["a", "b"]]), ValueError, "2 dimensions"),
    ],
)
def test_bad_texts(pair, texts, error, message):
    extractor = ActivationExtractor(pair, "resid_post.0")
    for method in (extractor.fit, extractor.transform):
        with pytest.raises(error, match=message):
            method(texts)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hook_point": "resid_post.9"}, ValueError, "'resid_post.0' to 'resid_post.2'"),
        ({"hook_point": "nowhere"}, ValueError, "this model has"),
        ({"max_length": 0}, ValueError, "max_length=0"),
        ({"batch_size": 1.5}, TypeError, "batch_size=1.5"),
        ({"skip_first": -1}, ValueError, "skip_first=-1"),
        ({"dtype": "int8"}, ValueError, "'float32', 'float16'"),
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"model": "./nowhere"}, FileNotFoundError, "no such folder"),
    ],
)
def test_bad_parameters(pair, options, error, message):
    extractor = ActivationExtractor(**({"model": pair, "hook_point": "resid_post.0"} | options))
    with pytest.raises(error, match=message):
        extractor.fit(TEXTS)


def test_texts_with_no_token_left(pair):
    with pytest.raises(ValueError, match="no text has a token after the first skip_first=50"):
        ActivationExtractor(pair, "resid_post.0", skip_first=50).transform(TEXTS)


def test_a_module_that_is_no_row_of_tokens(pair):
    model, _ = pair
    path = next(n for n, m in model.named_modules() if n.endswith(("rotary_emb", "wpe")))
    for texts in (TEXTS, TEXTS[:1]):
        with pytest.raises(ValueError, match="choose a module that runs once for each token"):
            ActivationExtractor(pair, path).transform(texts)


def test_a_whole_model_gives_its_last_hidden_state(pair):
    model, _ = pair
    path = next(name for name, module in model.named_modules() if module is model.base_model)
    acts = ActivationExtractor(pair, path, skip_first=0).transform(TEXTS[:1])
    np.testing.assert_allclose(np.asarray(acts), states(pair, TEXTS[0], 2), atol=2e-6)


def test_the_real_model(shared_data):
    extractor = ActivationExtractor(shared_data / "stories260K", "resid_post.2")
    acts = extractor.fit_transform(["Lily saw a big red ball.", "Tom ran."])
    assert acts.shape[1] == 64
    assert str(acts.context(0)).startswith("[ L")
