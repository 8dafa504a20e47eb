"""Erasure by features, in a running model, and its report."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skdict import ActivationExtractor, IdentityDictionary, RandomDictionary
from skdict.decomposition import dictionary_atoms
from skdict.interventions import LEACE, FeatureEraser, erasure_report, intervene
from skdict.models import capture, find_hook_point
from tests.conftest import build
from tests.tiny_tokenizers import tiny_tokenizer


def planted(n=800, d=10, seed=0):
    rng = np.random.default_rng(seed)
    z, other = rng.integers(2, size=n), rng.integers(3, size=n)
    X = rng.standard_normal((n, d)) + 4 * np.outer(z, np.eye(d)[3])
    return X + 4 * np.outer(other, np.eye(d)[7]), z, other


def test_scores_are_those_of_scikit_learn():
    X, z, other = planted(200)
    dictionary = RandomDictionary(300, random_state=0).fit(X)
    codes = dictionary.transform(X)
    eraser = FeatureEraser(dictionary).fit(X, z)
    expected = [abs(2 * roc_auc_score(z, codes[:, j]) - 1) for j in range(300)]
    np.testing.assert_allclose(eraser.scores_, expected, atol=1e-6)
    expected = [
        max(abs(2 * roc_auc_score(other == k, codes[:, j]) - 1) for k in range(3)) for j in (0, 5)
    ]
    got = FeatureEraser(dictionary).fit(X, other).scores_[[0, 5]]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    from scipy.stats import ttest_ind

    expected = np.abs(ttest_ind(codes[z == 1], codes[z == 0], equal_var=False).statistic)
    got = FeatureEraser(dictionary, selection="t").fit(X, z).scores_
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("selection", ["auroc", "t", "probe"])
def test_the_feature_of_the_concept_is_found(selection):
    X, z, _ = planted(400)
    eraser = FeatureEraser(IdentityDictionary(), selection=selection).fit(X, z)
    assert eraser.features_.tolist() == [3]
    erased = eraser.transform(X)
    probe = LogisticRegression().fit(erased, z)
    assert probe.score(erased, z) < 0.6 < LogisticRegression().fit(X, z).score(X, z)


def test_methods_are_their_formulas():
    X, z, _ = planted(100)
    dictionary = RandomDictionary(20, random_state=0).fit(X)
    codes, atoms = dictionary.transform(X), dictionary_atoms(dictionary)
    for k in (1, 3):
        erasers = {
            m: FeatureEraser(dictionary, k, method=m).fit(X, z) for m in ("zero", "mean", "project")
        }
        chosen = erasers["zero"].features_
        assert len(chosen) == k
        c, f = codes[:, chosen], atoms[chosen]
        expected = {
            "zero": X - c @ f,
            "mean": X - (c - c.mean(axis=0)) @ f,
            "project": X - (X - X.mean(axis=0)) @ np.linalg.pinv(f) @ f,
        }
        for method, eraser in erasers.items():
            np.testing.assert_allclose(eraser.transform(X), expected[method], atol=1e-5)


def test_a_random_feature_removes_a_share_of_the_signal():
    rng = np.random.default_rng(0)
    d = 16
    directions = rng.standard_normal((4000, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axis = np.eye(d)[0]
    left = axis - (directions @ axis)[:, None] * directions
    assert np.square(directions @ axis).mean() == pytest.approx(1 / d, rel=0.1)
    X, z, _ = planted(100, d)
    dictionary = RandomDictionary(1, random_state=1).fit(X)
    erased = FeatureEraser(dictionary).fit(X, z).transform(X)
    atom = dictionary.components_[0]
    np.testing.assert_allclose((erased - erased.mean(axis=0)) @ atom, 0, atol=1e-6)
    assert np.square(left).sum(axis=1).mean() == pytest.approx(1 - 1 / d, rel=0.05)


def test_erasing_in_a_model_is_erasing_rows():
    model, ids = build("llama"), torch.tensor([[5, 9, 2, 7, 30, 11], [8, 1, 4, 4, 60, 3]])

    def read():
        with torch.no_grad(), capture({"x": find_hook_point(model, "resid_post.1")}) as values:
            model(ids)
        return values["x"]

    x = read()
    rows = x[:, 1:].reshape(-1, 16).numpy()
    z = np.array([0, 1] * 5)
    for eraser in (LEACE().fit(rows, z), FeatureEraser(PCA(3)).fit(rows, z)):
        with intervene(model, "resid_post.1", None, eraser):
            got = read()
        np.testing.assert_allclose(got[:, 1:].reshape(-1, 16), eraser.transform(rows), atol=1e-6)
        assert torch.equal(got[:, 0], x[:, 0])
    with pytest.raises(TypeError, match="dictionary is None"):
        with intervene(model, "resid_post.1", None, lambda codes: codes):
            pass
    with pytest.raises(ValueError, match="features"):
        with intervene(model, "mlp_act.1", None, eraser):
            model(ids)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_report_tells_what_is_erased_and_what_is_hurt():
    X, z, other = planted()
    erasers = {
        "leace": LEACE(),
        "mean projection": LEACE("orthogonal"),
        "concept": FeatureEraser(IdentityDictionary()),
        "wrong one": FeatureEraser(
            IdentityDictionary(), selection=lambda dictionary, X, y: np.eye(10)[7]
        ),
    }
    records = erasure_report(erasers, X, z, other_labels={"other": other}, random_state=0)
    by_name = {record["eraser"]: record for record in records}
    assert list(by_name) == ["none", *erasers]
    none = by_name["none"]
    assert none["linear"] > 0.95 and none["nonlinear"] > 0.9 and none["squared_edit"] == 0
    for name in ("leace", "mean projection", "concept"):
        record = by_name[name]
        assert abs(record["linear"] - record["chance"]) < 0.1
        assert abs(record["other"] - none["other"]) < 0.05
    assert by_name["wrong one"]["linear"] > 0.95
    assert by_name["wrong one"]["other"] < by_name["wrong one"]["other_chance"] + 0.12
    assert by_name["leace"]["squared_edit"] <= by_name["mean projection"]["squared_edit"] * 1.02


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 40)
    # A label that is all of its group: without groups, neighbours of the same group give it away.
    z = rng.permutation(np.arange(20) % 2)[groups]
    X = rng.standard_normal((20, 30))[groups] + 0.01 * rng.standard_normal((800, 30))
    apart = erasure_report({"leace": LEACE()}, X, z, groups=groups, random_state=0)[0]
    mixed = erasure_report({"leace": LEACE()}, X, z, random_state=0)[0]
    assert mixed["nonlinear"] == 1
    assert apart["nonlinear"] < 0.8


def test_damage_in_the_model():
    pair = build("llama"), tiny_tokenizer("bos")
    texts = ["a cat sat", "dogs run far away", "why not? yes!"]
    acts = ActivationExtractor(pair, "resid_post.1").fit_transform(texts)
    X, z = np.asarray(acts), acts.token_ids % 2
    keep_all = LEACE().fit(X, z)
    keep_all.directions_ = np.zeros_like(keep_all.directions_)
    none, leace, kept = erasure_report(
        {"leace": LEACE(), "kept": keep_all},
        X,
        z,
        model=pair,
        hook_point="resid_post.1",
        texts=texts,
        random_state=0,
    )
    assert none["kl_divergence"] == 0 == kept["kl_divergence"]
    assert kept["cross_entropy_increase"] == 0
    assert leace["kl_divergence"] > 0


def test_bad_input():
    X, z, _ = planted(60)
    for eraser, message in (
        (FeatureEraser(IdentityDictionary(), 0), "n_features"),
        (FeatureEraser(IdentityDictionary(), 11), "n_features"),
        (FeatureEraser(IdentityDictionary(), method="cut"), "method"),
        (FeatureEraser(IdentityDictionary(), selection="best"), "selection"),
        (FeatureEraser(IdentityDictionary(), selection=lambda d, X, y: np.zeros(3)), "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            eraser.fit(X, z)
    with pytest.raises(ValueError, match="one class"):
        FeatureEraser(IdentityDictionary()).fit(X, np.zeros(60))
    with pytest.raises(TypeError, match="fitted eraser such as LEACE"):
        with intervene(build("llama"), "resid_post.1", RandomDictionary(4).fit(X), "leace"):
            pass
    with pytest.raises(TypeError, match="dict of names"):
        erasure_report([LEACE()], X, z)
    with pytest.raises(ValueError, match="hook_point and texts"):
        erasure_report({"leace": LEACE()}, X, z, model=(build("llama"), tiny_tokenizer("bos")))
    with pytest.raises(ValueError, match="other has one class"):
        erasure_report({"leace": LEACE()}, X, z, other_labels={"other": np.zeros(60)})
    with pytest.raises(ValueError, match="inconsistent"):
        erasure_report({"leace": LEACE()}, X, z[:-1])
