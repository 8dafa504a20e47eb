"""Cross-entropy, KL and loss recovered, against a slow reference and known answers."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skdict import ActivationExtractor
from skdict.decomposition import to_torch
from skdict.evaluation import loss_recovered
from tests.conftest import build
from tests.tiny_tokenizers import tiny_tokenizer

POINT = "resid_post.1"
TEXTS = ["a cat sat", "dogs run far away", "x", "why not? yes!"]


@pytest.fixture(scope="module")
def pair():
    # Larger weights, so that ablation does damage.
    model = build("llama")
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6)
    return model, tiny_tokenizer("cls_sep")


@pytest.fixture(scope="module")
def rows(pair):
    extractor = ActivationExtractor(pair, POINT, skip_special_tokens=True)
    return extractor.fit_transform(TEXTS * 3)


def reference(pair, change):
    """Return the log-probabilities and targets of predictions, text by text, by a bare hook."""
    model, tokenizer = pair
    found = []
    for text in TEXTS:
        ids = torch.tensor(tokenizer(text)["input_ids"])[None]
        ordinary = torch.tensor([i not in (0, 1) for i in ids[0].tolist()])

        def hook(module, args, output, ordinary=ordinary):
            out = output[0] if isinstance(output, tuple) else output
            new = torch.where(ordinary[None, :, None], change(out), out)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        handle = model.model.layers[1].register_forward_hook(hook)
        with torch.no_grad():
            logits = model(ids).logits[0].double()
        handle.remove()
        for t in range(1, ids.shape[1] - 1):
            if ordinary[t] and ordinary[t + 1]:
                found.append((logits[t].log_softmax(-1), int(ids[0, t + 1])))
    return found


def test_all_numbers_by_the_slow_way(pair, rows):
    pca = PCA(6).fit(rows)
    frozen = to_torch(pca, device="cpu")
    mean = torch.from_numpy(
        ActivationExtractor(pair, POINT, skip_special_tokens=True)
        .fit_transform(TEXTS)
        .__array__()
        .mean(axis=0)
    )
    got = loss_recovered(pair, POINT, pca, TEXTS, batch_size=3)
    runs = {
        "own": reference(pair, lambda x: x),
        "reconstructed": reference(pair, lambda x: frozen.decode(frozen.encode(x))),
        "zero": reference(pair, torch.zeros_like),
        "mean": reference(pair, lambda x: mean.expand_as(x)),
    }
    loss = {n: -np.mean([float(p[t]) for p, t in run]) for n, run in runs.items()}
    kl = {
        n: np.mean(
            [
                float((own[0].exp() * (own[0] - q)).sum())
                for own, (q, _) in zip(runs["own"], run, strict=True)
            ]
        )
        for n, run in runs.items()
    }
    assert got.n_tokens == len(runs["own"])
    assert got.cross_entropy == pytest.approx(loss["own"], rel=1e-5)
    assert got.cross_entropy_reconstructed == pytest.approx(loss["reconstructed"], rel=1e-5)
    assert got.cross_entropy_zero == pytest.approx(loss["zero"], rel=1e-5)
    assert got.cross_entropy_mean == pytest.approx(loss["mean"], rel=1e-5)
    assert got.kl_divergence == pytest.approx(kl["reconstructed"], rel=1e-4)
    assert got.kl_zero == pytest.approx(kl["zero"], rel=1e-4)
    assert got.kl_mean == pytest.approx(kl["mean"], rel=1e-4)
    for name in ("zero", "mean"):
        expected = (loss[name] - loss["reconstructed"]) / (loss[name] - loss["own"])
        assert got[f"loss_recovered_{name}"] == pytest.approx(expected, rel=1e-3)
    assert got.perplexity == pytest.approx(np.exp(loss["own"]), rel=1e-5)
    assert got.perplexity_reconstructed == pytest.approx(np.exp(loss["reconstructed"]), rel=1e-5)


def test_a_whole_basis_loses_nothing_and_the_mean_recovers_nothing(pair, rows):
    whole = loss_recovered(pair, POINT, PCA(16).fit(rows), TEXTS)
    assert whole.cross_entropy_increase == pytest.approx(0, abs=1e-4)
    assert whole.loss_recovered_mean == pytest.approx(1, abs=1e-3)
    assert 0 <= whole.kl_divergence < 1e-4
    # The direction with next to no variance tells next to nothing beside the mean.
    constant = PCA(16).fit(
        ActivationExtractor(pair, POINT, skip_special_tokens=True).transform(TEXTS)
    )
    constant.components_ = np.zeros_like(constant.components_)
    nothing = loss_recovered(pair, POINT, constant, TEXTS)
    assert nothing.loss_recovered_mean == pytest.approx(0, abs=1e-4)
    assert nothing.kl_divergence == pytest.approx(nothing.kl_mean, rel=1e-3)


def test_batches_do_not_matter(pair, rows):
    pca = PCA(4).fit(rows)
    one, other = (loss_recovered(pair, POINT, pca, TEXTS, batch_size=n) for n in (1, 4))
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=1e-4), name


def test_several_dictionaries_share_passes_and_change_nothing(pair, rows):
    several = {"": PCA(2).fit(rows), "mean": PCA(5).fit(rows), "reconstructed": PCA(9).fit(rows)}
    together = loss_recovered(pair, POINT, several, TEXTS)
    alone = {name: loss_recovered(pair, POINT, one, TEXTS) for name, one in several.items()}
    assert together == alone
    passes = []
    with pair[0].register_forward_pre_hook(lambda *_: passes.append(1)):
        loss_recovered(pair, POINT, several, TEXTS)
    # The mean, the unedited model, two ablations and three reconstructions.
    assert len(passes) == 7


def test_no_dictionary_among_several_is_an_error(pair):
    with pytest.raises(ValueError, match="no dictionary"):
        loss_recovered(pair, POINT, {}, TEXTS)


def test_where_ablation_does_no_damage_there_is_nothing_to_recover(pair):
    model = build("llama")
    with torch.no_grad():
        model.model.layers[2].mlp.down_proj.weight.zero_()
    pair = model, pair[1]
    rows = np.zeros((4, 16), np.float32)
    rows[0] = 1
    with pytest.warns(RuntimeWarning, match="no loss to recover"):
        got = loss_recovered(pair, "mlp_out.2", PCA(1).fit(rows), TEXTS)
    assert np.isnan(got.loss_recovered_zero)
    assert np.isfinite(got.cross_entropy_increase)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"texts": "one"}, TypeError, "list of texts"),
        ({"texts": ["x"]}, ValueError, "two ordinary tokens"),
        ({"hook_point": "resid_post.7"}, ValueError, "not found"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"skip_first": -1}, ValueError, "skip_first"),
        ({"model": build("llama")}, TypeError, "without its tokenizer"),
        ({"model": (build("bert"), tiny_tokenizer("bos"))}, TypeError, "no logits"),
        ({"hook_point": "mlp_act.1"}, ValueError, "width 32"),
    ],
)
def test_bad_input(pair, rows, options, kind, message):
    given = {"model": pair, "hook_point": POINT, "texts": TEXTS, "dictionary": PCA(2).fit(rows)}
    model = pair[0]
    with pytest.raises(kind, match=message):
        loss_recovered(**(given | options))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
