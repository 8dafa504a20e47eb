"""What swamps all else is told, with what to do; what does not is passed over."""

import warnings

import numpy as np
import pytest
import torch

from skdict import ActivationExtractor, Activations, load_stories
from skdict.exceptions import OutlierWarning
from skdict.feature_extraction._outliers import warn_of_outliers

SWAMPED = [3, 177, 255]


def activations(change=lambda rows: rows):
    rows = np.random.default_rng(0).standard_normal((400, 8)).astype("float32") + 3
    positions = np.tile(np.arange(1, 11), 40)
    return Activations(
        change(rows),
        documents=np.repeat(np.arange(40), 10),
        positions=positions,
        token_ids=np.zeros(400, int),
    )


def test_ordinary_rows_are_passed_over():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_outliers(activations(), "resid_post.1")
        # A large mean alone is taken off by centring.
        warn_of_outliers(activations(lambda rows: rows + 40 * np.eye(8)[2]), "here")
        warn_of_outliers(activations(lambda rows: rows * 0), "here")


def test_a_dimension_with_most_of_the_variance():
    with pytest.warns(
        OutlierWarning, match=r"dimension 2 holds 9\d% .*divide that column by [89]\.\d"
    ):
        warn_of_outliers(activations(lambda rows: rows * [1, 1, 9, 1, 1, 1, 1, 1]), "here")


def test_a_position_with_a_huge_norm():
    def sink(rows):
        rows[::10] *= 20
        return rows

    with pytest.warns(OutlierWarning, match=r"positions 1 of 'here' .*skip_first=2"):
        warn_of_outliers(activations(sink), "here")


def test_tokens_with_huge_norms_at_any_position():
    def swamp(rows):
        rows[SWAMPED] *= 60
        return rows

    acts = activations(swamp)
    with pytest.warns(OutlierWarning, match=r"3 of 400 tokens of 'here' .*<0>' \(3\)") as told:
        warn_of_outliers(acts, "here")
    assert not any("positions" in str(warning.message) for warning in told)
    rows = np.asarray(acts, dtype=float)
    center = np.delete(rows, SWAMPED, axis=0).mean(0)
    squares = np.square(rows - center).sum(1)
    share = squares[SWAMPED].sum() / squares.sum()
    assert f"hold {share:.0%} of the variance" in str(told[0].message)


def test_tokens_at_outlier_positions_are_told_of_once():
    def sink(rows):
        rows[::10] *= 60
        return rows

    with pytest.warns(OutlierWarning) as told:
        warn_of_outliers(activations(sink), "here")
    assert not any("tokens" in str(warning.message) for warning in told)


def test_the_bundled_model_has_none_even_at_the_first_position():
    stories = load_stories()
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutlierWarning)
        for skip_first in (0, 1):
            extractor = ActivationExtractor(stories.model, "resid_post.2", skip_first=skip_first)
            extractor.transform(stories.texts[:20])


def test_extraction_tells_of_both(tiny_model, byte_tokenizer):
    def swamp(module, args, output):
        output = output.clone()
        output[..., 5] += 60 * torch.linspace(-1, 1, output.shape[1])[:, None].T
        output[:, 2] *= 40
        return output

    embedding = tiny_model.base_model.get_input_embeddings()
    handle = embedding.register_forward_hook(swamp)
    extractor = ActivationExtractor((tiny_model, byte_tokenizer), "resid_pre.0")
    try:
        with pytest.warns(OutlierWarning) as told:
            extractor.fit_transform(["abcdefgh", "ijklmnop"])
    finally:
        handle.remove()
    messages = [str(warning.message) for warning in told]
    assert any("dimension 5 holds" in message for message in messages)
    assert any("positions 2 of 'resid_pre.0'" in message for message in messages)
