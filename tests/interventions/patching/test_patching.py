"""Patching has its known answers, for every kind of dictionary."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA, FastICA, MiniBatchDictionaryLearning
from sklearn.utils import Bunch

from skdict import IdentityDictionary, RandomDictionary, SparseDictionaryAutoencoder
from skdict.datasets import make_ioi
from skdict.decomposition import TopKDictionary
from skdict.interventions import Patch, intervene, patching_curve, patching_effects
from skdict.interventions.patching._orderings import ORDERS
from skdict.models import capture, find_hook_point
from tests.conftest import build
from tests.interventions.patching.planted_patching import PlainModel, plain_task, random_task

POINT = "resid_post.1"


@pytest.fixture(scope="module")
def model():
    """A random model whose logits differ by nats, as those of a trained one do."""
    model = build("llama")
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 8 if weight.ndim == 2 else 1
    return model


@pytest.fixture(scope="module")
def task():
    return random_task()


def read(model, ids):
    with torch.no_grad(), capture({"x": find_hook_point(model, POINT)}) as values:
        model(torch.as_tensor(ids))
    return values["x"]


@pytest.fixture(scope="module")
def rows(model):
    ids = torch.randint(300, (40, 12), generator=torch.Generator().manual_seed(0))
    return read(model, ids).reshape(-1, 16).numpy()


@pytest.fixture(scope="module")
def dictionaries(rows):
    return {
        "sae": SparseDictionaryAutoencoder(24, max_iter=2, random_state=0).fit(rows),
        "pca": PCA(5).fit(rows),
        "whitened": PCA(16, whiten=True).fit(rows),
        "ica": FastICA(4, random_state=0, max_iter=1000).fit(rows),
        "random": RandomDictionary(40, random_state=0).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
        "top-k": TopKDictionary(PCA(8), 3, split_sign=True).fit(rows),
        "learned": MiniBatchDictionaryLearning(
            8, random_state=0, max_iter=20, transform_algorithm="lasso_lars"
        ).fit(rows),
    }


KINDS = ("sae", "pca", "whitened", "ica", "random", "neurons", "top-k", "learned")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_the_base_run_and_all_with_error_the_target(model, task, dictionaries, kind):
    options = {"order": "magnitude", "error": "target"}
    target = patching_curve(model, POINT, dictionaries[kind], task, **options)
    keep = patching_curve(model, POINT, dictionaries[kind], task, order="magnitude")
    assert keep.kl[0] == keep.kl_base > 0.001
    assert keep.edit_magnitude[0] == 0 == keep.relative_edit_magnitude[0]
    assert keep.logit_diff[0] == keep.logit_diff_base
    assert target.kl[0] == target.kl_error
    for curve in (target, keep):
        assert abs(curve.kl_all_and_error) < 1e-9
    assert abs(target.kl[-1]) < 1e-9 and abs(target.reverse_kl[-1]) < 1e-9
    assert target.relative_edit_magnitude[-1] == pytest.approx(1, rel=1e-5)
    assert target.logit_diff[-1] == pytest.approx(target.logit_diff_target, abs=1e-5)


def own_log_probs(model, ids):
    with torch.no_grad():
        return model(torch.as_tensor(ids)[None]).logits[0, -1].double().log_softmax(-1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", ["keep", "target"])
def test_a_point_of_the_curve_is_what_intervene_gives(model, task, dictionaries, kind, error):
    dictionary, k = dictionaries[kind], 3
    curve = patching_curve(
        model, POINT, dictionary, task, order="attribution", error=error, n_patched=[k]
    )
    kl, reverse, lengths = [], [], []
    for prompt, other in zip(task.prompt_ids, task.counterfactual_ids, strict=True):
        y = own_log_probs(model, other)
        edit = Patch(read(model, other[None]), curve.order[:k])
        everywhere = np.ones((1, len(prompt)), dtype=bool)
        options = {"positions": everywhere, "error": error}
        with intervene(model, POINT, dictionary, edit, **options):
            z = own_log_probs(model, prompt)
            x = read(model, prompt[None])
        kl.append(float((z.exp() * (z - y)).sum()))
        reverse.append(float((y.exp() * (y - z)).sum()))
        lengths.append(float((x - read(model, prompt[None])).norm()))
    assert curve.kl[0] == pytest.approx(np.mean(kl), rel=1e-4, abs=1e-8)
    assert curve.reverse_kl[0] == pytest.approx(np.mean(reverse), rel=1e-4, abs=1e-8)
    assert curve.edit_magnitude[0] == pytest.approx(np.mean(lengths), rel=1e-4)


def test_logit_difference_is_that_of_the_task(byte_tokenizer):
    """Names of several tokens are scored whole, by the task's own metric on plain logits."""
    model = build("gpt_neox")
    model.config.max_position_embeddings = 256
    # Bytes make long names.
    task = make_ioi(2, byte_tokenizer, random_state=0)
    assert len(task.answer_ids[0][0]) > 1
    neurons = IdentityDictionary().fit(np.zeros((2, 16), dtype=np.float32))
    curve = patching_curve(model, POINT, neurons, task, order="magnitude", n_patched=[0, 16])
    for ids, got in (
        (task.input_ids, curve.logit_diff[0]),
        (task.counterfactual_input_ids, curve.logit_diff[-1]),
    ):
        with torch.no_grad():
            logits = model(
                torch.as_tensor(ids), attention_mask=torch.as_tensor(task.attention_mask)
            ).logits
        assert got == pytest.approx(float(task.metric(logits).mean()), abs=1e-4)


def test_edit_magnitude_of_orthonormal_axes_in_closed_form(model, task, rows):
    pca = PCA(16).fit(rows)
    curve = patching_curve(model, POINT, pca, task, order=range(16), n_patched=range(17))
    squares = []
    for prompt, other in zip(task.prompt_ids, task.counterfactual_ids, strict=True):
        change = read(model, other[None])[0] - read(model, prompt[None])[0]
        codes = change.numpy() @ pca.components_.T
        squares.append(np.cumsum((codes**2).sum(axis=0)))
    expected = np.sqrt(squares).mean(axis=0)
    np.testing.assert_allclose(curve.edit_magnitude[1:], expected, rtol=1e-4)
    np.testing.assert_allclose(curve.relative_edit_magnitude[-1], 1, rtol=1e-5)


def test_both_signs_of_an_axis_are_the_axis(model, task, rows):
    pca = PCA(6).fit(rows)
    split = TopKDictionary(pca, 6, split_sign=True).fit(rows)
    axes = [4, 1, 3]
    whole = patching_curve(model, POINT, pca, task, order=axes, n_patched=[1, 2, 3])
    pairs = np.ravel([(a, a + 6) for a in axes])
    halves = patching_curve(model, POINT, split, task, order=pairs, n_patched=[2, 4, 6])
    for name in ("kl", "reverse_kl", "logit_diff", "edit_magnitude"):
        np.testing.assert_allclose(halves[name], whole[name], rtol=1e-4, atol=1e-7)


class Permuted(PCA):
    """The same axes in another order and at other lengths."""

    def __init__(self, pca, order, scale):
        vars(self).update(vars(pca))
        self.components_ = (pca.components_ / scale[:, None])[order]
        self.permutation, self.scale = order, scale

    def transform(self, X):
        unit = self.components_ * self.scale[self.permutation][:, None]
        return (X - self.mean_) @ (unit * self.scale[self.permutation][:, None]).T

    def inverse_transform(self, X):
        return X @ self.components_ + self.mean_


@pytest.mark.parametrize("order", [o for o in ORDERS if o != "random"])
def test_numbering_and_scale_of_features_play_no_part(model, task, rows, order):
    pca = PCA(8).fit(rows)
    rng = np.random.default_rng(3)
    permutation, scale = rng.permutation(8), rng.uniform(0.5, 3, 8).astype(np.float32)
    # Thresholds far from rounding.
    options = {"order": order, "thresholds": np.logspace(-4, -1, 7), "min_activity": 0}
    one = patching_curve(model, POINT, pca, task, **options)
    two = patching_curve(model, POINT, Permuted(pca, permutation, scale), task, **options)
    np.testing.assert_array_equal(permutation[two.order], one.order)
    np.testing.assert_allclose(two.kl, one.kl, rtol=1e-3, atol=1e-8)
    assert two.area == pytest.approx(one.area, rel=1e-4)


@pytest.mark.parametrize("metric", ["kl", "reverse_kl", "logit_diff"])
def test_one_at_a_time_equals_the_plain_way(model, task, dictionaries, metric):
    sae = dictionaries["sae"]
    found = patching_effects(model, POINT, sae, task, metric=metric, batch_size=5)
    for feature in np.argsort(-np.abs(found.effects))[:4]:
        curve = patching_curve(model, POINT, sae, task, order=[int(feature)], n_patched=[0, 1])
        expected = curve[metric][1] - curve[metric][0]
        assert found.effects[feature] == pytest.approx(expected, rel=1e-3, abs=1e-8)
    assert found.base == pytest.approx(curve[metric][0])


def plain(rng, logits_of, vocabulary=12, width=8):
    return PlainModel(rng.standard_normal((vocabulary, width)), logits_of).eval()


def neurons(width=8):
    return IdentityDictionary().fit(np.zeros((2, width)))


def test_attribution_is_exact_for_a_linear_metric():
    # The normaliser of these two logits cancels in their difference.
    rng = np.random.default_rng(0)
    weights = torch.as_tensor(rng.standard_normal((8, 5)))
    model, task = plain(rng, lambda x: x @ weights), plain_task(5, 12)
    results = [
        patching_effects(model, "place", neurons(), task, method=method, metric="logit_diff")
        for method in ("exact", "attribution", "integrated_gradients")
    ]
    for other in results[1:]:
        np.testing.assert_allclose(other.effects, results[0].effects, atol=1e-12)
    assert abs(results[2].completeness_gap) < 1e-12
    total = results[0].effects.sum()
    assert total == pytest.approx(results[0].target - results[0].base, abs=1e-12)


def test_the_gradient_of_a_divergence_is_zero_at_the_target(model, task, dictionaries):
    from skdict.interventions.patching._paired_runs import PairedRuns

    runs = PairedRuns(model, POINT, dictionaries["sae"], task)
    for metric in ("kl", "reverse_kl"):
        at_target = runs.gradient(metric, runs.target).abs().max()
        assert at_target < 1e-5 * runs.gradient(metric, runs.base).abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_integrated_gradients_are_complete(model, task, dictionaries, kind):
    gaps = [
        patching_effects(
            model, POINT, dictionaries[kind], task, method="integrated_gradients", n_steps=n
        )
        for n in (2, 20)
    ]
    total = abs(gaps[0].target - gaps[0].base)
    assert abs(gaps[1].completeness_gap) < 0.005 * total
    assert abs(gaps[1].completeness_gap) <= abs(gaps[0].completeness_gap)
    attribution = patching_effects(model, POINT, dictionaries[kind], task, method="attribution")
    assert attribution.completeness_gap is None


def two_causes():
    """Logits that features 3 and 7 alone decide, the second half as strongly."""
    rng = np.random.default_rng(1)
    weights = torch.zeros(8, 6, dtype=torch.float64)
    weights[3] = torch.as_tensor(rng.standard_normal(6)) * 2
    weights[7] = torch.as_tensor(rng.standard_normal(6))
    return plain(rng, lambda x: torch.tanh(x @ weights)), plain_task(10, 12)


@pytest.mark.parametrize("order", ["acdc", "greedy", "attribution", "integrated_gradients"])
def test_two_causal_features_come_first(order):
    model, task = two_causes()
    curve = patching_curve(model, "place", neurons(), task, order=order, n_patched=range(9))
    assert sorted(curve.order[:2]) == [3, 7]
    assert curve.kl[2] < 1e-12 and curve.n_features_90 <= 2
    if order != "greedy":
        return
    # A greedy first step is the best single feature.
    effects = patching_effects(model, "place", neurons(), task).effects
    assert curve.order[0] == effects.argmin()


def test_acdc_returns_the_two_causes_for_every_threshold_below_their_effects():
    model, task = two_causes()
    effects = patching_effects(model, "place", neurons(), task).effects
    base = patching_curve(model, "place", neurons(), task, order=[3, 7], n_patched=[0, 1, 2])
    alone = patching_curve(model, "place", neurons(), task, order=[7], n_patched=[1])
    # What taking out 7 costs while 3 is patched, and 3 while 7 is.
    smaller, larger = sorted((base.kl[1], alone.kl[0]))
    assert 0 < smaller < larger and set(np.flatnonzero(effects)) <= {3, 7}
    for threshold in np.geomspace(1e-6, 0.99 * smaller, 5):
        curve = patching_curve(model, "place", neurons(), task, thresholds=[threshold])
        assert set(curve.order[curve.drop_thresholds > threshold]) == {3, 7}
    curve = patching_curve(model, "place", neurons(), task, thresholds=[1.01 * smaller])
    assert (curve.drop_thresholds > 1).sum() == 1


def slow_acdc(loss, candidates, thresholds):
    """The algorithm as it is written down, every divergence run anew."""
    kept, dropped = list(candidates), {}
    now = loss(kept)
    for threshold in thresholds:
        for feature in list(kept):
            rest = [f for f in kept if f != feature]
            after = loss(rest)
            if after - now < threshold:
                kept, now, dropped[feature] = rest, after, threshold
    return dropped


@pytest.mark.parametrize("metric", ["kl", "logit_diff"])
def test_acdc_drops_what_the_algorithm_drops(model, task, dictionaries, metric):
    sae, thresholds = dictionaries["sae"], np.logspace(-5, -1, 6)
    options = {"thresholds": thresholds, "metric": metric}
    curve = patching_curve(model, POINT, sae, task, batch_size=7, **options)
    # The loss is the metric, or its negative if that rises from the base to the target run.
    rises = metric == "logit_diff" and curve.logit_diff_target > curve.logit_diff_base
    sign = -1 if rises else 1
    options = {"method": "attribution", "metric": metric}
    effects = sign * patching_effects(model, POINT, sae, task, **options).effects
    candidates = curve.order[~np.isnan(curve.drop_thresholds)]
    visit = candidates[np.argsort(-effects[candidates], kind="stable")]

    def loss(kept):
        options = {"order": [int(f) for f in kept], "n_patched": [len(kept)]}
        return sign * patching_curve(model, POINT, sae, task, **options)[metric][0]

    expected = slow_acdc(loss, visit, thresholds)
    got = {
        int(f): t for f, t in zip(curve.order, curve.drop_thresholds, strict=True) if np.isfinite(t)
    }
    assert got == {int(f): t for f, t in expected.items()}
    assert (np.diff(curve.drop_thresholds[: len(candidates)]) <= 0).all()


def test_batches_play_no_part(model, task, dictionaries):
    curves = [
        patching_curve(model, POINT, dictionaries["sae"], task, order="greedy", batch_size=b)
        for b in (1, 4, 256)
    ]
    for curve in curves[1:]:
        np.testing.assert_allclose(curve.kl, curves[0].kl, rtol=1e-4, atol=1e-8)
        assert curve.n_forward_rows == curves[0].n_forward_rows


def test_counts_and_limits(model, task, dictionaries):
    curve = patching_curve(model, POINT, dictionaries["sae"], task, order="greedy", max_features=3)
    assert curve.n_patched.tolist() == [0, 1, 2, 3, len(curve.order)]
    assert len(set(curve.order.tolist())) == len(curve.order)
    asked = patching_curve(
        model, POINT, dictionaries["sae"], task, order="random", random_state=0, n_patched=[500, 2]
    )
    assert asked.n_patched.tolist() == [2, 500]
    again = patching_curve(
        model, POINT, dictionaries["sae"], task, order="random", random_state=0, n_patched=[2]
    )
    np.testing.assert_array_equal(again.order, asked.order)
    assert again.kl[0] == asked.kl[0]


def unequal(task):
    return Bunch(**(task | {"prompt_ids": [task.prompt_ids[0][:-1], *task.prompt_ids[1:]]}))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"task": unequal}, ValueError, "pair 0 has a prompt of 6 tokens"),
        ({"task": lambda t: ["text"]}, TypeError, "make_ioi"),
        ({"task": lambda t: Bunch(**(t | {"answer_ids": []}))}, ValueError, "0 pairs of answers"),
        ({"task": lambda t: random_task(vocabulary=5000)}, ValueError, "token id"),
        ({"order": [1, 24]}, ValueError, "contains 24, which does not exist"),
        ({"order": "best"}, ValueError, "'acdc'"),
        ({"metric": "loss"}, ValueError, "'kl'"),
        ({"error": "drop"}, ValueError, "'target'"),
        ({"n_patched": [-1]}, ValueError, "n_patched"),
        ({"thresholds": [1, 0.5]}, ValueError, "rising"),
        ({"min_activity": 2}, ValueError, "min_activity"),
        ({"hook_point": "lm_head"}, ValueError, "what the metric reads"),
        ({"hook_point": "resid_post.7"}, ValueError, "resid_post.2"),
        ({"hook_point": 3}, TypeError, "hook_point"),
        ({"hook_point": "mlp_act.1"}, ValueError, "width 32"),
        ({"dictionary": "PCA"}, TypeError, "no components_"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(model, task, dictionaries, changes, error, message):
    arguments = {"hook_point": POINT, "dictionary": dictionaries["sae"], "task": task}
    arguments |= changes
    if callable(changes.get("task")):
        arguments["task"] = changes["task"](task)
    with pytest.raises(error, match=message):
        patching_curve(model, **arguments)
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert "forward" not in vars(module)
