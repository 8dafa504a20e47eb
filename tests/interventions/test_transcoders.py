"""Edits of transcoder features do what their formulas say, with codes of the same pass only."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from skdict import IdentityDictionary, SparseTranscoder, load_stories
from skdict.decomposition import to_torch
from skdict.interventions import (
    LEACE,
    Ablate,
    Patch,
    Project,
    Reconstruct,
    Steer,
    find_circuit,
    intervene,
)
from skdict.models import capture, find_hook_point, load_model
from tests.conftest import build
from tests.decomposition.made_transcoder import codes_and_skip, make_transcoder
from tests.tiny_models import build_other

PAIR = "mlp_in.1", "mlp_out.1"
IDS = torch.tensor([[5, 9, 2, 7, 30, 11], [8, 1, 4, 4, 60, 3]])
KINDS = {
    "relu": {"alpha": 0.05},
    "skip": {"alpha": 0.05, "skip_connection": True},
    "topk": {"activation": "topk", "target_l0": 3, "skip_connection": True},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5},
}
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


@pytest.fixture(scope="module")
def model():
    """Return a model whose MLPs matter."""
    model = build("llama")
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6)
    return model


def read(model, ids, *names, **options):
    points = {name: find_hook_point(model, name) for name in names}
    with torch.no_grad(), capture(points) as values:
        model(ids, **options)
    return values[names[0]] if len(names) == 1 else values


def logits(model, ids=IDS, **options):
    with torch.no_grad():
        return model(ids, **options).logits


@pytest.fixture(scope="module")
def transcoders(model):
    ids = torch.randint(300, (20, 12), generator=torch.Generator().manual_seed(0))
    x, y = (value.reshape(-1, 16).numpy() for value in read(model, ids, *PAIR).values())
    options = {"max_iter": 2, "random_state": 0, "device": "cpu"}
    return {k: SparseTranscoder(24, **KINDS[k], **options).fit(x, y) for k in KINDS}


class Custom:
    """A transcoder of another class, with no more than the contract."""

    def __init__(self, inner):
        self._inner, self.components_ = inner, inner.components_
        self.n_features_in_ = inner.n_features_in_

    def transform(self, X):
        return self._inner.transform(X)

    def inverse_transform(self, codes):
        return self._inner.inverse_transform(codes)

    def predict(self, X):
        return self._inner.predict(X)


@contextmanager
def by_hand(layer, transcoder, change, error="keep", keep=1):
    """Edit the MLP of a llama block by bare hooks, with numpy, from the fitted attributes."""
    seen = {}

    def before(module, args):
        seen["x"] = args[0].numpy()

    def after(module, args, y):
        codes, skip = codes_and_skip(transcoder, seen.pop("x"))
        new = change(codes.copy())
        if error == "drop":
            edited = transcoder.target_mean_ + new @ transcoder.components_ + skip
        else:
            edited = y.numpy() + (new - codes) @ transcoder.components_
        result = y.clone()
        result[:, keep:] = torch.from_numpy(edited).to(y)[:, keep:]
        return result

    handles = [
        layer.mlp.register_forward_pre_hook(before),
        layer.mlp.down_proj.register_forward_hook(after),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def setting(columns, value):
    def change(codes):
        codes[..., columns] = value
        return codes

    return change


EDITS = {
    "ablate": (Ablate([0, 2]), setting([0, 2], 0)),
    "to a value": (Ablate(1, 2.5), setting([1], 2.5)),
    "add": (Steer([1, 2], 3), lambda c: c + 3.0 * np.isin(np.arange(24), [1, 2])),
    "clamp": (Steer(2, 1.5, mode="clamp"), setting([2], 1.5)),
    "scale": (Steer(range(24), 4, mode="scale"), lambda c: 4 * c),
    "callable": (lambda codes: codes.flip(-1), lambda c: c[..., ::-1]),
}


@pytest.mark.parametrize("error", ["keep", "drop"])
@pytest.mark.parametrize("kind", KINDS)
def test_edits_are_hooks_written_by_hand(model, transcoders, kind, error):
    transcoder, plain = transcoders[kind], logits(model)
    for name, (edit, change) in EDITS.items():
        with by_hand(model.model.layers[1], transcoder, change, error):
            expected = logits(model)
        for one in (transcoder, to_torch(transcoder, device="cpu"), Custom(transcoder)):
            with intervene(model, PAIR, one, edit, error=error):
                got = logits(model)
            torch.testing.assert_close(got, expected, atol=2e-3, rtol=1e-4, msg=f"{name} {one}")
        assert (got - plain).abs().max() > 0.1, name


def test_the_bundled_model():
    model, tokenizer = load_model(load_stories().model)
    ids = torch.tensor([tokenizer(text).input_ids[:40] for text in load_stories().texts[:2]])
    x, y = (read(model, ids, f"{part}.2").reshape(-1, 128) for part in ("mlp_in", "mlp_out"))
    options = {"activation": "topk", "target_l0": 4, "max_iter": 1, "random_state": 0}
    transcoder = SparseTranscoder(32, skip_connection=True, **options).fit(x.numpy(), y.numpy())
    for error in ("keep", "drop"):
        with by_hand(model.model.layers[2], transcoder, setting(slice(32), 0), error):
            expected = logits(model, ids)
        with intervene(
            model, ("mlp_in.2", "mlp_out.2"), transcoder, Ablate(range(32)), error=error
        ):
            got = logits(model, ids)
        torch.testing.assert_close(got, expected, atol=2e-3, rtol=1e-4)
        assert (got - logits(model, ids)).abs().max() > 0.05


def test_an_edit_that_changes_nothing_changes_no_bit(model, transcoders):
    plain = logits(model)
    for transcoder in transcoders.values():
        for edit in (lambda codes: codes, Ablate([]), Steer(range(24), 1.0, mode="scale")):
            with intervene(model, PAIR, transcoder, edit):
                assert torch.equal(logits(model), plain)


def test_every_family_has_pairs(any_family):
    _, model = any_family
    x = read(model, IDS, "mlp_in.1").reshape(*IDS.shape, 16)
    rng = np.random.default_rng(0)
    parts = (rng.standard_normal(shape) for shape in [(8, 16), 8, (8, 16), 16, (16, 16)])
    *parts, skip = parts
    transcoder = make_transcoder(*parts, skip_=skip)
    expected = transcoder.predict(x.reshape(-1, 16).numpy()).reshape(*x.shape)
    with torch.no_grad():
        plain = model(IDS)[0]
        with intervene(model, PAIR, transcoder, lambda codes: codes):
            assert torch.equal(model(IDS)[0], plain)
        with intervene(model, PAIR, transcoder, Reconstruct(), positions=range(6)):
            got = read(model, IDS, "mlp_out.1").reshape(*x.shape).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)


def test_reconstruct_mean_and_projection(model, transcoders):
    transcoder = transcoders["skip"]
    x, y = read(model, IDS, *PAIR).values()
    codes, skip = codes_and_skip(transcoder, x.numpy())

    def edited(edit, **options):
        with intervene(model, PAIR, transcoder, edit, **options):
            return read(model, IDS, "mlp_out.1")[:, 1:].numpy()

    predicted = transcoder.target_mean_ + codes @ transcoder.components_ + skip
    some = transcoder.target_mean_ + codes[..., 3:5] @ transcoder.components_[3:5] + skip
    np.testing.assert_allclose(edited(Reconstruct()), predicted[:, 1:], atol=1e-3)
    np.testing.assert_allclose(edited(Reconstruct([3, 4])), some[:, 1:], atol=1e-3)
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    mean = codes_and_skip(transcoder, rows)[0].mean(axis=0)
    moved = y.numpy() + (mean - codes) @ transcoder.components_
    np.testing.assert_allclose(
        edited(Ablate(range(24), "mean", rows=rows)), moved[:, 1:], atol=1e-3
    )
    atoms = transcoder.components_[[0, 2]]
    for error, base in (("keep", y.numpy()), ("drop", predicted)):
        got = edited(Project([0, 2]), error=error)
        assert np.abs(got @ atoms.T).max() < 1e-3
        rest = base[:, 1:] - got
        np.testing.assert_allclose(rest @ np.linalg.pinv(atoms) @ atoms, rest, atol=1e-3)


def test_patching_takes_codes_of_the_other_run(model, transcoders):
    transcoder = transcoders["topk"]
    x, y = read(model, IDS, *PAIR).values()
    other = read(model, IDS.flip(0), "mlp_in.1")
    codes, theirs = (codes_and_skip(transcoder, rows.numpy())[0] for rows in (x, other))
    with intervene(model, PAIR, transcoder, Patch(other)):
        got = read(model, IDS, "mlp_out.1").numpy()
    expected = y.numpy() + (theirs - codes) @ transcoder.components_
    np.testing.assert_allclose(got[:, 1:], expected[:, 1:], atol=1e-3)
    with pytest.raises(
        ValueError, match="error='target' needs the activations that the transcoder"
    ):
        with intervene(model, PAIR, transcoder, Patch(other), error="target"):
            pytest.fail("the block was entered")
    with pytest.raises(ValueError, match="width 8 but the dictionary expects 16"):
        with intervene(model, PAIR, transcoder, Patch(other[..., :8])):
            pytest.fail("the block was entered")


def test_an_eraser_rewrites_the_predicted_activations(model, transcoders):
    y = read(model, IDS, "mlp_out.1")
    rows = y.reshape(-1, 16).numpy()
    eraser = LEACE().fit(rows, rows[:, 0] > np.median(rows[:, 0]))
    with intervene(model, PAIR, transcoders["relu"], eraser):
        got = read(model, IDS, "mlp_out.1")
    expected = torch.from_numpy(eraser.transform(rows)).reshape(y.shape)
    torch.testing.assert_close(got[:, 1:], expected[:, 1:], atol=1e-4, rtol=1e-4)


# Positions, padding, caches and gradients.


def test_positions_and_padding(model, transcoders):
    transcoder = transcoders["relu"]

    def moved(positions, **options):
        with intervene(model, PAIR, transcoder, Steer(0, 1.0), positions=positions):
            got = read(model, IDS, "mlp_out.1", **options)
        plain = read(model, IDS, "mlp_out.1", **options)
        return ((got - plain).abs().sum(-1) > 0.1).int().tolist()

    assert moved(None) == [[0, 1, 1, 1, 1, 1]] * 2
    assert moved([0, 4]) == [[1, 0, 0, 0, 1, 0]] * 2
    flags = np.array([[1, 0, 0, 1], [0, 1, 0, 0]], dtype=bool)
    assert moved(flags) == [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    assert moved(None, attention_mask=mask) == [[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 0]]
    assert moved([1], attention_mask=mask) == [[0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]


def test_a_padded_batch_is_each_text_alone(model, transcoders):
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with intervene(model, PAIR, transcoders["topk"], Reconstruct()):
        together = logits(model, attention_mask=mask, position_ids=positions)
        alone = logits(model, IDS[:1, 2:]), logits(model, IDS[1:])
    torch.testing.assert_close(together[:1, 2:], alone[0], atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(together[1:], alone[1], atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_generation_with_a_cache_is_generation_without(family):
    model = build(family)
    rng = np.random.default_rng(0)
    shapes = [(8, 16), 8, (8, 16), 16]
    transcoder = make_transcoder(*(rng.standard_normal(shape) for shape in shapes), k_=3)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "attention_mask": mask}
    options |= {"return_dict_in_generate": True, "output_logits": True}
    plain = model.generate(IDS, **options).logits
    for edit in (Reconstruct(), Steer(range(8), 4, mode="scale")):
        for positions in (None, [1, 2], [7, 9]):
            with intervene(model, PAIR, transcoder, edit, positions=positions):
                one, other = (
                    model.generate(IDS, use_cache=use, **options) for use in (True, False)
                )
            assert torch.equal(one.sequences, other.sequences)
            for step, same in zip(one.logits, other.logits, strict=True):
                torch.testing.assert_close(step, same, atol=1e-4, rtol=1e-4)
            assert (one.logits[-1] - plain[-1]).abs().max() > 1e-3


def test_gradients_pass_through_both_hook_points(model, transcoders):
    transcoder = transcoders["relu"]
    x = read(model, IDS, "mlp_in.1")
    shift = torch.zeros(16, requires_grad=True)
    mlp = model.model.layers[1].mlp
    shifted = mlp.register_forward_pre_hook(lambda module, args: (args[0] + shift,))
    rows = {}
    with intervene(model, PAIR, transcoder, Reconstruct(), positions=range(6)):
        kept = mlp.down_proj.register_forward_hook(lambda module, args, y: rows.update(y=y))
        model(IDS)
    kept.remove()
    shifted.remove()
    rows["y"].sum().backward()
    # The slope of the prediction: the encoders of the features that fire, times their decoders.
    fires = codes_and_skip(transcoder, x.numpy())[0] > 0
    slopes = fires.sum(axis=(0, 1)) * transcoder.components_.sum(axis=1)
    np.testing.assert_allclose(
        shift.grad.numpy(), slopes @ transcoder.encoder_, rtol=1e-3, atol=1e-3
    )


# Codes of the same pass.


def test_an_enclosing_block_edits_what_the_transcoder_reads(model, transcoders):
    transcoder, neurons = transcoders["relu"], IdentityDictionary().fit(np.zeros((2, 16)))
    with intervene(model, "mlp_in.1", neurons, Steer(3, 2.0)):
        x, y = read(model, IDS, *PAIR).values()
        with intervene(model, PAIR, transcoder, Ablate(range(24))):
            got = read(model, IDS, "mlp_out.1")
    codes, _ = codes_and_skip(transcoder, x.numpy())
    expected = y.numpy() - codes @ transcoder.components_
    np.testing.assert_allclose(got[:, 1:], expected[:, 1:], atol=1e-3)
    message = "hook_point='mlp_in.1' is read by an enclosing block"
    with intervene(model, PAIR, transcoder, Ablate(0)):
        with pytest.raises(ValueError, match=message):
            with intervene(model, "mlp_in.1", neurons, Steer(3, 2.0)):
                pytest.fail("the block was entered")
        # Other hook points, and pairs, nest in any order.
        with intervene(model, PAIR, transcoder, Ablate(0)):
            with intervene(model, "resid_post.0", neurons, Steer(3, 2.0)):
                logits(model)
    with intervene(model, "mlp_in.1", neurons, Steer(3, 2.0)):
        logits(model)


class TwoParts(nn.Module):
    """A model that can leave out its first part, or run it behind its second or twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.first, self.second = nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, input_ids, order="fs"):
        x = self.embed(input_ids)
        for part in order:
            x = self.first(x) if part == "f" else self.second(x)
        return x


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("s", "reached 'second' before it had computed 'first', or without computing it"),
        ("sf", "reached 'second' before it had computed 'first', or without computing it"),
        ("ffs", "hook_point='first' is a module that runs more than once"),
        ("fss", "hook_point='second' is a module that runs more than once"),
    ],
)
def test_a_value_of_an_earlier_pass_is_never_used(order, message):
    model, ids = TwoParts(), torch.arange(6)[None]
    transcoder = make_transcoder(np.eye(4), np.zeros(4), 2 * np.eye(4), np.zeros(4))
    with intervene(model, ("first", "second"), transcoder, Reconstruct()):
        x = read(model, ids, "first")
        with torch.no_grad():
            torch.testing.assert_close(model(ids)[:, 1:], 2 * x[:, 1:].relu())
        # This pass ends behind the first part.
        read(model, ids, "first")
        with pytest.raises(ValueError, match=message):
            model(ids, order=order)
        with torch.no_grad():
            torch.testing.assert_close(model(ids)[:, 1:], 2 * x[:, 1:].relu())


def test_both_hook_points_read_the_same_tokens():
    model = build_other("bart")
    transcoder = make_transcoder(np.eye(16), np.zeros(16), np.eye(16), np.zeros(16))
    encoder, decoder = (f"model.{side}.layers.1" for side in ("encoder", "decoder"))
    with pytest.raises(ValueError, match="in parts of the model that may read different tokens"):
        with intervene(model, (f"{encoder}.fc1", f"{decoder}.fc2"), transcoder, Ablate(0)):
            pytest.fail("the block was entered")
    inside = f"{decoder}.self_attn_layer_norm", f"{decoder}.fc2"
    with torch.no_grad(), intervene(model, inside, transcoder, Reconstruct()):
        rows = read(model, IDS, *inside, decoder_input_ids=IDS[:, :4])
    torch.testing.assert_close(rows[inside[1]][:, 1:], rows[inside[0]][:, 1:].relu())


# Messages.


def narrow(d_in, d_out):
    return make_transcoder(np.ones((3, d_in)), np.zeros(3), np.ones((3, d_out)), np.zeros(d_out))


@pytest.mark.parametrize(
    ("hook_point", "dictionary", "kind", "message"),
    [
        (PAIR, PCA(2).fit(np.eye(16)), ValueError, "is a pair, but PCA is not a transcoder"),
        (PAIR, None, TypeError, "is a pair but dictionary is None"),
        (PAIR[1], narrow(16, 16), ValueError, "'mlp_out.1' is a single hook point, but Sparse"),
        (
            PAIR[::-1],
            narrow(16, 16),
            ValueError,
            "reached 'mlp_in.1' before it had computed 'mlp_o",
        ),
        (PAIR, narrow(5, 16), ValueError, "'mlp_in.1' has width 16 but the .* rows of width 5"),
        (PAIR, narrow(16, 5), ValueError, "'mlp_out.1' has width 16 but the transcoder .* width 5"),
        ((*PAIR, PAIR[0]), narrow(16, 16), ValueError, "has 3 names; pass one name or"),
        (("mlp_in.7", PAIR[1]), narrow(16, 16), ValueError, "'mlp_in.7' not found"),
        ((PAIR[0], 3), narrow(16, 16), TypeError, "hook_point is int"),
    ],
)
def test_bad_input(model, hook_point, dictionary, kind, message):
    before = logits(model)
    with pytest.raises(kind, match=message):
        with intervene(model, hook_point, dictionary, Ablate(0)):
            logits(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(logits(model), before)


def test_circuits_take_dictionaries_of_single_hook_points(model, transcoders):
    pair = model, load_model(load_stories().model)[1]
    dictionaries = {"resid_post.0": transcoders["relu"], "resid_post.1": transcoders["relu"]}
    with pytest.raises(ValueError, match="SparseTranscoder predicts other rows"):
        find_circuit(pair, dictionaries, ("resid_post.1", 0), ["once upon"])
