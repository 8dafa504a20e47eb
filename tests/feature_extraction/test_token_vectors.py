"""Token vectors are the principal components of the embedding in its current state."""

import numpy as np
import pytest
import torch

from skdict import load_stories
from skdict.activations import Activations, Vocabulary
from skdict.feature_extraction import ActivationExtractor, _token_vectors, extract_activations
from skdict.feature_extraction._token_vectors import token_vectors
from skdict.inspection.evidence import TokenBlock
from skdict.models import load_model
from tests.conftest import build

TEXTS = ["Lily saw Tom.", "Tom ran."]


def embedding(n_types=400, width=20, mean=3.0):
    """Return an embedding whose principal components have clearly different variances."""
    rng = np.random.default_rng(0)
    scales = 0.7 ** np.arange(width)
    axes = np.linalg.qr(rng.standard_normal((width, width)))[0]
    return mean + (rng.standard_normal((n_types, width)) * scales) @ axes


def principal_components(rows, n_dimensions):
    """Return the projections on the principal components, from an SVD of all rows."""
    rows = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    return (left * sizes)[:, :n_dimensions]


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-6), (torch.bfloat16, 1e-5)]
)
def test_vectors_are_principal_components(dtype, atol):
    given = torch.from_numpy(embedding()).to(dtype)
    rows = given.double().numpy()
    found = token_vectors(given, 400)
    due = principal_components(rows, 20)
    signs = np.sign((found * due).sum(axis=0))
    scale = np.linalg.norm(due) / np.linalg.norm(found)
    np.testing.assert_allclose(found * signs * scale, due, atol=atol * np.abs(due).max())


def test_at_most_128_dimensions_that_keep_most_variance():
    rows = embedding(600, 200)
    found = token_vectors(torch.from_numpy(rows), 600)
    assert found.shape == (600, 128)
    np.testing.assert_allclose(cosines(found), cosines(principal_components(rows, 128)), atol=1e-4)


def test_components_of_a_large_embedding_come_from_a_sample(monkeypatch):
    rows = torch.from_numpy(embedding(2000, 10))
    monkeypatch.setattr(_token_vectors, "MOST_ROWS", 1000)
    monkeypatch.setattr(_token_vectors, "BLOCK_ROWS", 300)
    found = token_vectors(rows, 2000)
    np.testing.assert_array_equal(token_vectors(rows, 2000), found)
    # With all ten components kept, any basis gives the same cosines.
    np.testing.assert_allclose(
        cosines(found), cosines(principal_components(rows.numpy(), 10)), atol=1e-5
    )


@pytest.mark.parametrize("scale", [1e-30, 1e150])
def test_the_scale_of_an_embedding_does_not_matter(scale):
    rows = torch.from_numpy(embedding(mean=0.0))
    found, due = token_vectors(rows * scale, 400), token_vectors(rows, 400)
    np.testing.assert_allclose(cosines(found), cosines(due), atol=1e-5)


def test_padding_rows_are_left_out_and_missing_rows_are_zero():
    rows = torch.from_numpy(embedding())
    padded = torch.cat([rows, torch.full((8, 20), 1e4)])
    np.testing.assert_array_equal(token_vectors(padded, 400), token_vectors(rows, 400))
    found = token_vectors(rows, 403)
    assert not found[400:].any()
    np.testing.assert_array_equal(found[:400], token_vectors(rows, 400))


def test_embeddings_without_directions():
    assert token_vectors(torch.ones(1, 3), 5) is None
    assert token_vectors(torch.full((4, 3), torch.nan), 4) is None
    assert token_vectors(torch.tensor([[1.0, 2], [torch.inf, 0]]), 2) is None
    assert not token_vectors(torch.full((50, 3), 0.1), 50).any()


def test_a_row_at_the_mean_is_zero():
    rows = embedding(100)
    rows[50:] = 2 * rows[:50].mean(axis=0) - rows[:50]
    found = token_vectors(torch.from_numpy(np.vstack([rows, rows.mean(axis=0)])), 101)
    assert not found[100].any()
    assert found[:100].any(axis=1).all()


@pytest.fixture
def pair(byte_tokenizer):
    return build("llama"), byte_tokenizer


def extract(pair, texts=TEXTS):
    return ActivationExtractor(pair, "resid_post.1").fit_transform(texts)


def test_extraction_gives_every_piece_a_vector(pair):
    vocabulary = extract(pair).vocabulary
    weight = pair[0].get_input_embeddings().weight.detach().double().numpy()[: len(vocabulary)]
    assert isinstance(vocabulary, Vocabulary)
    assert len(vocabulary) == len(pair[1])
    due = cosines(principal_components(weight, 16))
    np.testing.assert_allclose(cosines(vocabulary.vectors.astype(float)), due, atol=5e-3)


def test_similar_pieces_of_the_bundled_model_have_similar_vectors():
    vocabulary = extract(load_stories().model).vocabulary
    similarity = cosines(vocabulary.vectors.astype(float))
    he, she, dot = (vocabulary.index(piece) for piece in (" He", " She", "."))
    assert similarity[he, she] > max(0.3, similarity[he, dot])


def test_vectors_are_computed_once_per_model(pair, monkeypatch):
    calls = []
    monkeypatch.setattr(
        _token_vectors, "token_vectors", lambda *args: calls.append(1) or token_vectors(*args)
    )
    extractor = ActivationExtractor(pair, "resid_post.1")
    chunks = list(extractor.iter_transform(TEXTS * 3, chunk_size=1))
    several = extract_activations(pair, ["resid_pre.0", "mlp_out.2"], TEXTS)
    found = [*chunks, extract(pair), *several.values()]
    assert len({id(acts.vocabulary) for acts in found}) == 1
    assert len(calls) == 1


def add_in_place(weight):
    with torch.no_grad():
        weight[5] += 1


def change_through_data(weight):
    weight.data[5] += 1


def change_through_numpy(weight):
    weight.detach().numpy()[5] += 1


@pytest.mark.parametrize("change", [add_in_place, change_through_data, change_through_numpy])
def test_changed_weights_give_other_vectors(pair, change):
    before = extract(pair).vocabulary
    change(pair[0].get_input_embeddings().weight)
    after = extract(pair).vocabulary
    assert after == before
    assert (after.vectors != before.vectors).any()
    fresh = build("llama")
    fresh.load_state_dict(pair[0].state_dict())
    np.testing.assert_array_equal(extract((fresh, pair[1])).vocabulary.vectors, after.vectors)


def test_another_tokenizer_gives_another_vocabulary(pair):
    model, tokenizer = pair
    before = extract(pair).vocabulary
    other = load_model(load_stories().model)[1]
    model.resize_token_embeddings(len(other))
    after = extract((model, other)).vocabulary
    assert len(before) == len(tokenizer) and len(after) == len(other) == len(after.vectors)


def test_an_embedding_that_cannot_be_read_costs_only_the_vectors(pair):
    model, tokenizer = pair
    with torch.no_grad():
        # The last byte does not occur in any text.
        model.get_input_embeddings().weight[len(tokenizer) - 1] = torch.nan
    acts = extract(pair)
    assert acts.vocabulary.vectors is None
    assert str(acts.context(0, before=0, after=0)) == "[i]"


def test_views_and_blocks_carry_the_same_vocabulary(pair):
    acts = extract(pair)
    views = [acts[:3], acts[acts.documents == 1], acts[[2, 0]], acts[1:][::2]]
    blocks = [TokenBlock.of(view) for view in (acts, *views)]
    blocks += [block[:1] for block in blocks]
    assert all(part.vocabulary is acts.vocabulary for part in (*views, *blocks))
    table = {"documents": [0], "positions": [0], "token_ids": [0]}
    again = Activations(np.zeros((1, 2)), **table, vocabulary=acts.vocabulary)
    assert again.vocabulary is acts.vocabulary
