"""Effects of features on the output, against a slow reference and planted directions."""

import numpy as np
import pytest
import torch

from skdict import ActivationExtractor, IdentityDictionary, RandomDictionary
from skdict.decomposition import to_torch
from skdict.interventions import Ablate, OutputEffects, intervene, output_effects
from skdict.models import capture, find_hook_point
from tests.conftest import build
from tests.decomposition.made_transcoder import codes_and_skip, make_transcoder
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ["a cat sat", "dogs run far away", "why not? yes!"]


@pytest.fixture(scope="module", params=["llama", "gpt2", "gpt_neox"])
def pair(request):
    return build(request.param), tiny_tokenizer("bos")


@pytest.fixture(scope="module")
def llama():
    return build("llama"), tiny_tokenizer("bos")


def random_dictionary(pair, point):
    rows = ActivationExtractor(pair, point).fit_transform(TEXTS)
    return RandomDictionary(12, random_state=0).fit(rows)


def test_effects_by_the_slow_way(pair):
    model, tokenizer = pair
    point, feature = "resid_post.0", 5
    dictionary = random_dictionary(pair, point)
    frozen = to_torch(dictionary, device="cpu")
    differences = []
    for text in TEXTS:
        ids = torch.tensor(tokenizer(text)["input_ids"])[None]
        with torch.no_grad():
            with capture({"x": find_hook_point(model, point)}) as values:
                model(ids)
            with intervene(model, point, dictionary, Ablate(feature)):
                edited = model(ids).logits[0].log_softmax(-1)
            clean = model(ids).logits[0].log_softmax(-1)
        fires = frozen.encode(values["x"])[0, :, feature] != 0
        fires[0] = False
        differences.append((clean - edited)[fires])
    expected = torch.cat(differences)
    table = output_effects(pair, point, dictionary, TEXTS, [2, feature], batch_size=2)
    assert table.n_positions[1] == len(expected)
    np.testing.assert_allclose(table.effects[1], expected.mean(dim=0), atol=2e-6)


@pytest.mark.parametrize("point", ["resid_post.0", "mlp_out.1", "attn_heads.1", "mlp_act.0"])
def test_running_from_the_hook_point_upward_gives_the_same(pair, point, monkeypatch):
    dictionary = random_dictionary(pair, point)
    tables = []
    for fewest in (0, np.inf):
        monkeypatch.setattr(
            "skdict.interventions.outputs._output_effects.MIN_PAIRS_PER_TEXT", fewest
        )
        tables.append(output_effects(pair, point, dictionary, TEXTS, batch_size=5))
    upward, plain = tables
    assert (upward.n_positions == plain.n_positions).all() and plain.n_positions.max() > 1
    np.testing.assert_allclose(upward.effects, plain.effects, atol=2e-6)
    np.testing.assert_allclose(upward.direct, plain.direct, atol=2e-6)


def test_behind_the_last_block_the_direct_effect_is_the_effect(pair):
    dictionary = random_dictionary(pair, "resid_post.2")
    table = output_effects(pair, "resid_post.2", dictionary, TEXTS, n_texts=2, random_state=0)
    fires = table.n_positions > 0
    np.testing.assert_allclose(table.agreement[fires], 1, atol=1e-3)
    effects = table.effects - table.effects.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(effects[fires], table.direct[fires], atol=1e-5)


def test_a_feature_that_writes_a_token_is_found_to_raise_it(llama):
    model = llama[0]
    rows = ActivationExtractor(llama, "resid_post.2").fit_transform(TEXTS)
    wanted = [17, 200]
    dictionary = RandomDictionary(2, random_state=0).fit(rows)
    unembedding = model.lm_head.weight.detach().numpy()
    # Unembedding rows without what they share, so that one token does not raise all.
    directions = unembedding[wanted] - unembedding.mean(axis=0)
    dictionary.components_ = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    table = output_effects(llama, "resid_post.2", dictionary, TEXTS)
    for row, token in enumerate(wanted):
        assert table.direct[row].argmax() == token
        assert table.effects[row].argmax() == token


def test_the_table_holds_both_ends(llama):
    dictionary = random_dictionary(llama, "resid_post.1")
    table = output_effects(llama, "resid_post.1", dictionary, TEXTS, [4, 1], n_tokens=3)
    columns = table.to_dict()
    assert columns["feature"] == [4] * 6 + [1] * 6
    effects = np.array(columns["effect"]).reshape(2, 6)
    assert (effects[:, :3] > 0).all() and (effects[:, 3:] < 0).all()
    assert (np.diff(effects[:, :3]) <= 0).all() and (np.diff(effects[:, 3:]) >= 0).all()
    for row in range(2):
        assert effects[row, 0] == table.effects[row].max()
        assert effects[row, 3] == table.effects[row].min()
    raised, lowered = table.tokens(1)
    assert [value for _, value in raised + lowered] == columns["effect"][6:]
    assert list(table.to_frame().columns) == list(columns)
    assert "feature 4" in str(table)
    with pytest.raises(KeyError, match="feature 0"):
        table.tokens(0)


def test_features_that_fire_nowhere_are_said_to(llama):
    dictionary = random_dictionary(llama, "resid_post.1")
    dictionary.mean_ = dictionary.mean_ + 100 * dictionary.components_[0]
    table = output_effects(llama, "resid_post.1", dictionary, TEXTS, [0])
    assert table.n_positions.tolist() == [0]
    assert np.isnan(table.effects).all() and np.isnan(table.agreement).all()
    assert table.to_dict()["token"] == []


def test_what_does_not_write_to_the_residual_stream_has_no_direct_effect(llama):
    neurons = IdentityDictionary().fit(np.zeros((2, 32), np.float32))
    table = output_effects(llama, "mlp_act.1", neurons, TEXTS, [0])
    assert np.isfinite(table.effects).all()
    assert np.isnan(table.direct).all() and np.isnan(table.agreement).all()


PAIR = "mlp_in.1", "mlp_out.1"


def random_transcoder():
    rng = np.random.default_rng(0)
    shapes = {"encoder": (12, 16), "bias": 12, "components": (12, 16), "mean": 16, "skip": (16, 16)}
    *weights, skip = (rng.standard_normal(shape) for shape in shapes.values())
    return make_transcoder(*weights, skip_=skip)


def test_transcoder_features_act_at_the_second_hook_point(pair, monkeypatch):
    (model, tokenizer), transcoder, feature = pair, random_transcoder(), 5
    atom = torch.from_numpy(transcoder.components_[feature])
    differences = []
    for text in TEXTS:
        ids = torch.tensor(tokenizer(text)["input_ids"])[None]
        points = {name: find_hook_point(model, name) for name in PAIR}
        with torch.no_grad(), capture(points) as values:
            model(ids)
        codes = codes_and_skip(transcoder, values[PAIR[0]].reshape(-1, 16).numpy())[0][:, feature]
        codes[0] = 0
        removed = torch.from_numpy(codes).float()[:, None] * atom

        def without(module, args, y, removed=removed):
            return y - removed.reshape(y.shape)

        with torch.no_grad():
            clean = model(ids).logits[0].log_softmax(-1)
            handle = points[PAIR[1]].module.register_forward_hook(without)
            edited = model(ids).logits[0].log_softmax(-1)
            handle.remove()
        differences.append((clean - edited)[codes != 0])
    expected = torch.cat(differences)
    for fewest in (0, np.inf):
        monkeypatch.setattr(
            "skdict.interventions.outputs._output_effects.MIN_PAIRS_PER_TEXT", fewest
        )
        table = output_effects(pair, PAIR, transcoder, TEXTS, [2, feature], batch_size=2)
        assert table.n_positions[1] == len(expected) > 1
        np.testing.assert_allclose(table.effects[1], expected.mean(dim=0), atol=5e-6)


def test_a_transcoder_feature_that_writes_a_token_is_found_to_raise_it(llama):
    unembedding = llama[0].lm_head.weight.detach().numpy()
    directions = unembedding[[17, 200]] - unembedding.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    transcoder = make_transcoder(rng.standard_normal((2, 16)), np.ones(2), directions, np.zeros(16))
    table = output_effects(llama, ("mlp_in.2", "mlp_out.2"), transcoder, TEXTS)
    for row, token in enumerate([17, 200]):
        assert table.direct[row].argmax() == token
        assert table.effects[row].argmax() == token
    assert (table.agreement > 0.99).all()


def test_pairs_are_checked(llama):
    transcoder, dictionary = random_transcoder(), random_dictionary(llama, "resid_post.1")
    narrow = make_transcoder(np.eye(16), np.ones(16), np.ones((16, 5)), np.zeros(5))
    for point, one, message in (
        (PAIR[::-1], transcoder, "the model computes 'mlp_in.1' before 'mlp_out.1'"),
        (PAIR[1], transcoder, "'mlp_out.1' is a single hook point"),
        (PAIR, dictionary, "RandomDictionary is not a transcoder"),
        (("mlp_act.1", PAIR[1]), transcoder, "width 32 but.*width 16"),
        (PAIR, narrow, "'mlp_out.1' has width 16 but the transcoder predicts rows of width 5"),
    ):
        with pytest.raises(ValueError, match=message):
            output_effects(llama, point, one, TEXTS)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in llama[0].modules())


def test_bad_input(llama):
    dictionary = random_dictionary(llama, "resid_post.1")
    for options, kind, message in (
        ({"features": [12]}, ValueError, "contains 12, which does not exist"),
        ({"n_texts": 0}, ValueError, "n_texts"),
        ({"n_tokens": 1.5}, TypeError, "n_tokens"),
        ({"hook_point": "mlp_act.1"}, ValueError, "width 32 but.*width 16"),
    ):
        given = {"model": llama, "hook_point": "resid_post.1", "dictionary": dictionary}
        with pytest.raises(kind, match=message):
            output_effects(**(given | {"texts": TEXTS} | options))
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in llama[0].modules())


def test_it_is_what_the_report_takes(llama):
    dictionary = random_dictionary(llama, "resid_post.1")
    table = output_effects(llama, "resid_post.1", dictionary, TEXTS, [4])
    assert isinstance(table, OutputEffects)
    columns = table.to_dict()
    assert {"feature", "token", "effect"} <= set(columns)
    assert len({len(column) for column in columns.values()}) == 1
