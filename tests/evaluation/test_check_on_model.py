"""Dictionaries are checked on the model that they belong to; wrong ones show in the verdict."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, SparseTranscoder, load_stories
from skdict.evaluation import check_on_model, loss_recovered
from skdict.feature_extraction import extract_activations
from skdict.io import load_dictionary, save_dictionary
from skdict.metrics import compare_dictionaries

POINT, PAIR = "resid_post.2", ("mlp_in.2", "mlp_out.2")
STORIES = load_stories()
TRAIN, TEST = STORIES.texts[:40], STORIES.texts[150:156]


@pytest.fixture(scope="module")
def sae():
    rows = ActivationExtractor(STORIES.model, POINT).fit_transform(TRAIN)
    # As many features as dimensions, so that a transposed decoder has the right shape.
    return SparseDictionaryAutoencoder(
        128, activation="batch_topk", target_l0=12, max_iter=6, random_state=0
    ).fit(rows)


@pytest.fixture
def published(sae, tmp_path):
    metadata = {"model": STORIES.model, "hook_point": POINT, "l0": 12.0, "n_dead": 3}
    save_dictionary(sae, tmp_path / "sae", format="saelens", metadata=metadata)
    return load_dictionary(tmp_path / "sae")


def test_measures_are_those_of_the_functions_and_values_are_reported(published):
    check = check_on_model(published, texts=TEST)
    extractor = ActivationExtractor(STORIES.model, POINT, skip_special_tokens=True)
    rows = extractor.fit_transform(TEST)
    expected = compare_dictionaries({"one": published}, None, rows)["one"]
    assert check.n_rows == len(rows)
    for name in ("n_components", "l0", "fvu", "fvu_inliers", "n_dead"):
        assert getattr(check, name) == pytest.approx(expected[name], rel=1e-6), name
    loss = loss_recovered(STORIES.model, POINT, published, TEST)
    assert check.loss.cross_entropy_increase == pytest.approx(loss.cross_entropy_increase, rel=1e-5)
    assert check.reported == {"l0": 12.0, "n_dead": 3}
    assert (check.verdict, check.problems) == ("agrees with the publisher", ())
    lines = str(check).split("\n")
    assert lines[1].split() == ["L0", f"{check.l0:.4g}", "12"]
    assert lines[-1] == f"verdict: agrees with the publisher, on {len(rows):,} rows"


def transposed(sae):
    sae.components_ = np.ascontiguousarray(sae.components_.T)


def encoder_transposed(sae):
    sae.encoder_ = np.ascontiguousarray(sae.encoder_.T)


def thresholds_too_high(sae):
    sae.thresholds_ = sae.thresholds_ * 4


def thresholds_missing(sae):
    del sae.thresholds_


def rows_scaled(sae):
    sae.encoder_ = sae.encoder_ * 4


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (transposed, "the encoder or the decoder may be transposed"),
        (encoder_transposed, "the encoder or the decoder may be transposed"),
        (thresholds_too_high, "is reported: thresholds"),
        (thresholds_missing, "is reported: thresholds"),
        (rows_scaled, "the scale of the rows"),
    ],
)
def test_what_a_wrong_loader_does_is_suspect(damage, reason, published):
    damage(published)
    check = check_on_model(published, texts=TEST)
    assert check.verdict == "suspect"
    assert any(reason in problem for problem in check.problems), check
    assert str(check).endswith("\n".join(f"- {problem}" for problem in check.problems))


def test_another_hook_point_is_suspect(published):
    check = check_on_model(published, texts=TEST, hook_point="attn_out.1")
    assert check.verdict == "suspect"


def test_without_reported_values(sae, published):
    check = check_on_model(sae, STORIES.model, TEST, hook_point=POINT)
    assert (check.verdict, check.reported) == ("plausible", {})
    del published.metadata_["l0"]
    published.encoder_bias_ = published.encoder_bias_ + 100
    check = check_on_model(published, texts=TEST)
    assert any("which is not sparse" in problem for problem in check.problems)
    published.thresholds_ = np.full(128, 1e6, np.float32)
    check = check_on_model(published, texts=TEST)
    assert any("no feature fires" in problem for problem in check.problems)
    assert any("hardly better than with the mean row" in problem for problem in check.problems)
    assert check.n_dead == 128


def test_other_dictionaries_are_checked_too(sae):
    rows = ActivationExtractor(STORIES.model, POINT).fit_transform(TRAIN[:20])
    check = check_on_model(PCA(100).fit(rows), STORIES.model, TEST, hook_point=POINT)
    assert check.fvu < 0.1


def test_rows_that_are_normalised_have_no_loss(published):
    published.row_norm_ = "layer_norm"
    check = check_on_model(published, texts=TEST)
    assert check.loss is None
    rows = ActivationExtractor(STORIES.model, POINT, skip_special_tokens=True).fit_transform(TEST)
    assert check.fvu == pytest.approx(1 - published.score(rows), rel=1e-5)


def test_transcoders_are_measured_on_their_targets():
    both = extract_activations(STORIES.model, PAIR, TRAIN)
    transcoder = SparseTranscoder(256, target_l0=12, activation="topk", max_iter=4, random_state=0)
    transcoder.fit(both[PAIR[0]], both[PAIR[1]])
    check = check_on_model(transcoder, STORIES.model, TEST, hook_point=PAIR)
    held_out = extract_activations(STORIES.model, PAIR, TEST, skip_special_tokens=True)
    score = transcoder.score(held_out[PAIR[0]], held_out[PAIR[1]])
    assert check.fvu == pytest.approx(1 - score, rel=1e-5)
    assert check.verdict == "plausible"
    loss = loss_recovered(STORIES.model, PAIR, transcoder, TEST)
    assert check.loss.loss_recovered_mean == pytest.approx(loss.loss_recovered_mean)
    assert 0.3 < check.loss.loss_recovered_mean < 1
    with pytest.raises(ValueError, match="before"):
        check_on_model(transcoder, STORIES.model, TEST, hook_point=PAIR[::-1])
    for wrong in (None, "mlp_in.2", ("mlp_in.2", None)):
        with pytest.raises(ValueError, match="hook points of rows and of targets"):
            check_on_model(transcoder, STORIES.model, TEST, hook_point=wrong)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"texts": None}, TypeError, "list of texts"),
        ({"texts": []}, ValueError, "texts"),
        ({"model": None}, ValueError, "does not state its model; pass model="),
        ({"hook_point": None}, ValueError, "does not state its hook_point; pass hook_point="),
        ({"hook_point": "resid_post.99"}, ValueError, "not found"),
        ({"hook_point": "mlp_act.1"}, ValueError, "width 384"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"dictionary": 3}, TypeError, "int has no components_"),
    ],
)
def test_bad_input(options, kind, message, sae):
    given = {"dictionary": sae, "model": STORIES.model, "texts": TEST, "hook_point": POINT}
    with pytest.raises(kind, match=message):
        check_on_model(**given | options)
