"""What transcoders predict takes the place of the MLP: exact answers and a slow reference."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from skdict import SparseTranscoder
from skdict.decomposition import NeuronTranscoder, to_torch
from skdict.evaluation import loss_recovered
from skdict.feature_extraction import extract_activations
from tests.conftest import SHAPE, build
from tests.decomposition.made_transcoder import (
    codes_and_skip,
    make_transcoder,
    relu_mlp_as_transcoder,
)
from tests.tiny_tokenizers import tiny_tokenizer

PAIR = "mlp_in.1", "mlp_out.1"
TEXTS = ["a cat sat", "dogs run far away", "x", "why not? yes!"]
GPT2 = {"vocab_size": 300, "n_positions": 64, "n_embd": 16, "n_inner": 32, "n_layer": 3}
RELU = {
    "opt": lambda: build("opt"),
    "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE, hidden_act="relu")),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT2, n_head=2, activation_function="relu")),
}
MATRICES = {
    "opt": lambda model: (model.model.decoder.layers[1].fc1, model.model.decoder.layers[1].fc2),
    "gpt_neox": lambda model: (
        model.gpt_neox.layers[1].mlp.dense_h_to_4h,
        model.gpt_neox.layers[1].mlp.dense_4h_to_h,
    ),
}


def larger(model):
    """Return a model whose ablation does damage."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6)
    return model.eval()


@pytest.fixture(scope="module")
def pair():
    return larger(build("llama")), tiny_tokenizer("cls_sep")


@pytest.fixture(scope="module")
def transcoders(pair):
    rows = extract_activations(pair, PAIR, TEXTS * 3, skip_special_tokens=True)
    options = {"max_iter": 2, "random_state": 0, "device": "cpu"}
    topk = {"activation": "topk", "target_l0": 4}
    return {
        "plain": SparseTranscoder(24, **topk, **options).fit(rows[PAIR[0]], rows[PAIR[1]]),
        "skip": SparseTranscoder(24, skip_connection=True, **topk, **options).fit(
            rows[PAIR[0]], rows[PAIR[1]]
        ),
    }


@pytest.mark.parametrize("family", MATRICES)
def test_the_neurons_of_a_relu_mlp_lose_nothing(family):
    torch.manual_seed(0)
    model = larger(RELU[family]())
    transcoder = relu_mlp_as_transcoder(*MATRICES[family](model))
    got = loss_recovered((model, tiny_tokenizer("bos")), PAIR, transcoder, TEXTS)
    assert got.cross_entropy_increase == pytest.approx(0, abs=1e-5)
    assert got.loss_recovered_zero == pytest.approx(1, abs=1e-4)
    assert got.loss_recovered_mean == pytest.approx(1, abs=1e-4)
    assert abs(got.kl_divergence) < 1e-5
    assert got.kl_zero > 0.1


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_all_neurons_of_any_mlp_lose_nothing_and_some_lose_something(family):
    torch.manual_seed(0)
    model = larger(build(family) if family == "llama" else RELU[family]())
    neurons = {k: NeuronTranscoder(model, 1, k=k).fit() for k in (None, 16, 2)}
    got = loss_recovered((model, tiny_tokenizer("bos")), PAIR, neurons, TEXTS)
    assert got[None].cross_entropy_increase == pytest.approx(0, abs=1e-5)
    assert got[None].loss_recovered_mean == pytest.approx(1, abs=1e-4)
    kl = [got[k].kl_divergence for k in (None, 16, 2)]
    assert kl[0] < 1e-5 < kl[1] < kl[2]


def test_a_transcoder_of_nothing_is_mean_ablation(pair):
    rows = extract_activations(pair, [PAIR[1]], TEXTS, skip_special_tokens=True)[PAIR[1]]
    mean = np.asarray(rows).mean(axis=0)
    shut = make_transcoder(np.zeros((3, 16)), -np.ones(3), np.ones((3, 16)), mean)
    got = loss_recovered(pair, PAIR, shut, TEXTS)
    assert got.loss_recovered_mean == pytest.approx(0, abs=1e-4)
    assert got.kl_divergence == pytest.approx(got.kl_mean, rel=1e-3)


def reference(pair, transcoder):
    """Return cross-entropy and KL, text by text, by bare hooks and the formula."""
    model, tokenizer = pair
    mlp, seen, found = model.model.layers[1].mlp, {}, []

    def runs(ids, ordinary):
        def after(module, args, y):
            codes, skip = codes_and_skip(transcoder, seen.pop("x"))
            new = transcoder.target_mean_ + codes @ transcoder.components_ + skip
            return torch.where(ordinary[None, :, None], torch.from_numpy(new).to(y), y)

        with torch.no_grad():
            yield model(ids).logits[0].double()
            handles = [
                mlp.register_forward_pre_hook(lambda m, args: seen.update(x=args[0].numpy())),
                mlp.down_proj.register_forward_hook(after),
            ]
            yield model(ids).logits[0].double()
        for handle in handles:
            handle.remove()

    for text in TEXTS:
        ids = torch.tensor(tokenizer(text)["input_ids"])[None]
        ordinary = torch.tensor([i not in (0, 1) for i in ids[0].tolist()])
        plain, edited = (logits.log_softmax(-1) for logits in runs(ids, ordinary))
        for t in range(1, ids.shape[1] - 1):
            if ordinary[t] and ordinary[t + 1]:
                own, other = plain[t], edited[t]
                found.append((-other[ids[0, t + 1]], (own.exp() * (own - other)).sum()))
    return torch.tensor(found).mean(dim=0).tolist()


def test_numbers_by_the_slow_way(pair, transcoders):
    together = loss_recovered(pair, PAIR, transcoders, TEXTS, batch_size=3)
    for name, transcoder in transcoders.items():
        loss, kl = reference(pair, transcoder)
        got = together[name]
        assert got.cross_entropy_reconstructed == pytest.approx(loss, rel=1e-5)
        assert got.kl_divergence == pytest.approx(kl, rel=1e-4)
        expected = (got.cross_entropy_mean - loss) / (got.cross_entropy_mean - got.cross_entropy)
        assert got.loss_recovered_mean == pytest.approx(expected, rel=1e-3)
    assert together["plain"].kl_divergence != together["skip"].kl_divergence


def test_ablations_are_those_of_the_second_hook_point(pair, transcoders):
    rows = extract_activations(pair, [PAIR[1]], TEXTS * 3, skip_special_tokens=True)[PAIR[1]]
    alone = loss_recovered(pair, PAIR[1], PCA(4).fit(rows), TEXTS)
    got = loss_recovered(pair, PAIR, transcoders["plain"], TEXTS)
    for name in ("cross_entropy", "cross_entropy_zero", "cross_entropy_mean", "kl_zero", "kl_mean"):
        assert got[name] == alone[name], name


def test_several_transcoders_share_passes_and_change_nothing(pair, transcoders):
    several = transcoders | {"frozen": to_torch(transcoders["plain"], device="cpu")}
    passes = []
    with pair[0].register_forward_pre_hook(lambda *_: passes.append(1)):
        together = loss_recovered(pair, PAIR, several, TEXTS)
    # The mean, the unedited model, two ablations and three predictions.
    assert len(passes) == 7
    for name, one in several.items():
        assert together[name] == loss_recovered(pair, list(PAIR), one, TEXTS), name


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"hook_point": PAIR[0]}, ValueError, "'mlp_in.1' is a single hook point"),
        ({"hook_point": PAIR[::-1]}, ValueError, "reached 'mlp_in.1' before it had computed"),
        ({"hook_point": (*PAIR, "resid_post.1")}, ValueError, "has 3 names"),
        ({"hook_point": ("mlp_in.8", PAIR[1])}, ValueError, "'mlp_in.8' not found"),
        ({"hook_point": ("mlp_act.1", PAIR[1])}, ValueError, "has width 32 .* rows of width 16"),
        (
            {"hook_point": (PAIR[0], "mlp_act.1")},
            ValueError,
            "width 32 .* predicts .* width 16",
        ),
        ({"dictionary": PCA(2).fit(np.eye(16))}, ValueError, "PCA is not a transcoder"),
        ({"dictionary": {}}, ValueError, "no dictionary"),
    ],
)
def test_bad_input(pair, transcoders, options, kind, message):
    given = {"hook_point": PAIR, "dictionary": transcoders["plain"], "texts": TEXTS}
    with pytest.raises(kind, match=message):
        loss_recovered(pair, **(given | options))
    mixed = {"a": transcoders["plain"], "b": PCA(2).fit(np.eye(16))}
    with pytest.raises(ValueError, match="PCA is not a transcoder"):
        loss_recovered(pair, PAIR, mixed, TEXTS)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in pair[0].modules())
