"""Edits do what their formulas say, at the positions that are meant, and leave nothing behind."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import NMF, PCA, FastICA
from sklearn.exceptions import NotFittedError

from skdict import IdentityDictionary, RandomDictionary, SparseDictionaryAutoencoder
from skdict.decomposition import TopKDictionary, to_torch
from skdict.interventions import (
    LEACE,
    Ablate,
    FeatureEraser,
    Patch,
    Project,
    Reconstruct,
    Steer,
    intervene,
)
from skdict.models import capture, find_hook_point, hook_points
from tests.conftest import build

POINT = "resid_post.1"
IDS = torch.tensor([[5, 9, 2, 7, 30, 11], [8, 1, 4, 4, 60, 3]])
OTHER = torch.tensor([[5, 9, 200, 7, 30, 11], [8, 1, 4, 77, 60, 12]])


@pytest.fixture(scope="module")
def model():
    return build("llama")


def read(model, ids, point=POINT, **options):
    with torch.no_grad(), capture({"x": find_hook_point(model, point)}) as values:
        model(ids, **options)
    return values["x"]


def logits(model, ids, *interventions, **options):
    with torch.no_grad():
        return model(ids, **options).logits


@pytest.fixture(scope="module")
def rows(model):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(300, (20, 12), generator=generator)
    return read(model, ids).reshape(-1, 16).numpy()


@pytest.fixture(scope="module")
def dictionaries(rows):
    new = partial(SparseDictionaryAutoencoder, 24, max_iter=2, random_state=0)
    return {
        "sae": new().fit(rows),
        "topk sae": new(activation="topk", target_l0=3).fit(rows),
        "batch topk sae": new(activation="batch_topk", target_l0=2.5).fit(rows),
        "pca": PCA(5).fit(rows),
        "whitened": PCA(16, whiten=True).fit(rows),
        "ica": FastICA(4, random_state=0, max_iter=1000).fit(rows),
        "random": RandomDictionary(40, random_state=0).fit(rows),
        "neurons": IdentityDictionary().fit(rows),
        "top-k": TopKDictionary(PCA(8), 3, split_sign=True).fit(rows),
    }


def hooks_of(model):
    return [
        (name, len(module._forward_hooks), len(module._forward_pre_hooks))
        for name, module in model.named_modules()
        if module._forward_hooks or module._forward_pre_hooks
    ]


def test_an_edit_that_changes_nothing_changes_no_bit(model, dictionaries):
    plain = logits(model, IDS)
    for dictionary in dictionaries.values():
        for edit in (
            lambda codes: codes,
            Steer([0, 1], 1.0, mode="scale"),
            Ablate([]),
            Steer(2, 0),
        ):
            with intervene(model, POINT, dictionary, edit):
                assert torch.equal(logits(model, IDS), plain)
    assert hooks_of(model) == []


def test_every_family_and_place(any_family):
    family, model = any_family
    # transformers leaves hooks of its own on a model whose hidden states were asked for.
    before = hooks_of(model)
    # Each kind once or twice, in different blocks.
    for point in hook_points(model)[::3]:
        x = read(model, IDS, point)
        neurons = IdentityDictionary().fit(np.zeros((2, x.shape[-1])))
        with torch.no_grad():
            plain = model(IDS)[0]
            with intervene(model, point, neurons, lambda codes: codes):
                assert torch.equal(model(IDS)[0], plain), (family, point)
            with intervene(model, point, neurons, Ablate([0, 3])):
                edited = read(model, IDS, point)
        expected = x.clone()
        expected.reshape(*IDS.shape, -1)[:, 1:, [0, 3]] = 0
        torch.testing.assert_close(edited, expected, atol=1e-6, rtol=0)
    assert hooks_of(model) == before


@pytest.mark.parametrize("error", ["keep", "drop"])
def test_edits_are_their_formulas(model, rows, dictionaries, error):
    x = read(model, IDS)
    for name, dictionary in dictionaries.items():
        frozen = to_torch(dictionary, device="cpu")
        codes, atoms = frozen.encode(x), frozen.components
        means = np.asarray(_dense(dictionary.transform(rows)).mean(axis=0), dtype=np.float32)

        def change(columns, values, codes=codes):
            new = codes.clone()
            new[..., columns] = torch.as_tensor(values)
            return new

        edits = {
            Ablate([0, 2]): change([0, 2], 0.0),
            Ablate(1, 2.5): change([1], 2.5),
            Ablate([0, 3], "mean", rows=rows): change([0, 3], means[[0, 3]]),
            Steer([1, 2], 3): change([1, 2], codes[..., [1, 2]] + 3),
            Steer(2, -1.5, mode="clamp"): change([2], -1.5),
            Steer([0], 4.0, mode="scale"): change([0], codes[..., [0]] * 4),
        }
        for edit, new in edits.items():
            decoded = frozen.decode(new)
            expected = decoded if error == "drop" else x + (new - codes) @ atoms
            expected = torch.cat([x[:, :1], expected[:, 1:]], dim=1)
            with intervene(model, POINT, dictionary, edit, error=error):
                got = read(model, IDS)
            torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4, msg=f"{name} {edit}")
            assert torch.equal(got[:, 0], x[:, 0])


def _dense(codes):
    return codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)


def test_the_reconstruction_takes_the_place_of_activations(model, dictionaries):
    x, sae = read(model, IDS), dictionaries["sae"]
    frozen = to_torch(sae, device="cpu")
    with intervene(model, POINT, sae, Reconstruct()):
        got = read(model, IDS)
    torch.testing.assert_close(got[:, 1:], frozen.decode(frozen.encode(x))[:, 1:])
    with intervene(model, POINT, sae, Reconstruct([3, 4])):
        got = read(model, IDS)
    codes = frozen.encode(x)
    expected = frozen.offset + codes[..., 3:5] @ frozen.components[3:5]
    torch.testing.assert_close(got[:, 1:], expected[:, 1:])


def test_projection_leaves_nothing_along_the_atoms(model, dictionaries):
    x = read(model, IDS)
    for dictionary in dictionaries.values():
        atoms = to_torch(dictionary, device="cpu").components[[0, 2]]
        center = torch.arange(16.0)
        with intervene(model, POINT, dictionary, Project([0, 2])):
            plain = read(model, IDS)[:, 1:]
        with intervene(model, POINT, dictionary, Project([0, 2], center=center)):
            moved = read(model, IDS)[:, 1:]
        assert (plain @ atoms.T).abs().max() < 1e-3 * atoms.norm()
        torch.testing.assert_close(moved @ atoms.T, (center @ atoms.T).expand(2, 5, 2))
        # What is taken out lies in the span of the atoms, and no smaller edit would do.
        removed = (x[:, 1:] - plain).reshape(-1, 16)
        rest = removed - removed @ torch.linalg.pinv(atoms) @ atoms
        assert rest.abs().max() < 1e-4


def test_patching_everything_and_the_error_gives_the_other_run_bit_for_bit(model, dictionaries):
    target, base = read(model, OTHER), read(model, IDS)
    wanted, plain = logits(model, OTHER), logits(model, IDS)
    for name, dictionary in dictionaries.items():
        with intervene(model, POINT, dictionary, Patch(target), error="target"):
            assert torch.equal(logits(model, IDS), wanted), name
        with intervene(model, POINT, dictionary, Patch(target, [])):
            assert torch.equal(logits(model, IDS), plain), name
        frozen = to_torch(dictionary, device="cpu")
        difference = (frozen.encode(target) - frozen.encode(base))[..., [1, 3]]
        expected = base + difference @ frozen.components[[1, 3]]
        with intervene(model, POINT, dictionary, Patch(target, [1, 3])):
            got = read(model, IDS)
        torch.testing.assert_close(got[:, 1:], expected[:, 1:], atol=1e-4, rtol=1e-4)


def test_a_dictionary_that_encodes_on_the_host(model, rows):
    neurons_like = np.abs(rows)
    nmf = NMF(3, max_iter=500, random_state=0).fit(neurons_like)
    with torch.no_grad(), intervene(model, POINT, _Shifted(nmf, rows.min() - 9), Ablate(0)):
        assert model(IDS).logits.isfinite().all()


class _Shifted:
    """Rows moved up, so that a dictionary that takes no negative rows takes them."""

    def __init__(self, inner, shift):
        self.inner, self.shift, self.components_ = inner, shift, inner.components_

    def transform(self, X):
        return self.inner.transform(np.maximum(X - self.shift, 0).astype(np.float32))

    def inverse_transform(self, codes):
        return self.inner.inverse_transform(codes) + self.shift


def test_positions(model, dictionaries):
    neurons = dictionaries["neurons"]

    def moved(positions, **options):
        with intervene(model, POINT, neurons, Steer(0, 1.0), positions=positions):
            got = read(model, IDS, **options)
        return ((got - read(model, IDS, **options)).abs().sum(-1) > 0.5).int().tolist()

    assert moved(None) == [[0, 1, 1, 1, 1, 1]] * 2
    assert moved([0, 4]) == [[1, 0, 0, 0, 1, 0]] * 2
    with pytest.raises(ValueError, match=r"positions contains \[99\]"):
        moved([0, 4, 99])
    assert moved([]) == [[0] * 6] * 2
    flags = np.array([[1, 0, 0, 1], [0, 1, 0, 0]], dtype=bool)
    assert moved(flags) == [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]
    # Padded on the left, the first text starts at its third column.
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    assert moved(None, attention_mask=mask) == [[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 0]]
    assert moved([1], attention_mask=mask) == [[0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_generation_with_a_cache_is_generation_without(family):
    model = build(family)
    neurons = IdentityDictionary().fit(np.zeros((2, 16)))
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "attention_mask": mask}
    ways = {"all": None, "early": [1, 2], "late": [7, 9]}
    for positions in ways.values():
        with intervene(model, POINT, neurons, Steer(1, 40.0), positions=positions):
            cached, plain = (
                model.generate(
                    IDS, use_cache=use, return_dict_in_generate=True, output_logits=True, **options
                )
                for use in (True, False)
            )
        assert torch.equal(cached.sequences, plain.sequences)
        for one, other in zip(cached.logits, plain.logits, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert hooks_of(model) == []


def test_blocks_nest_over_places_and_at_one(model, dictionaries):
    neurons = dictionaries["neurons"]
    x = read(model, IDS)
    with (
        intervene(model, POINT, neurons, Steer(0, 1.0)),
        intervene(model, POINT, neurons, Steer(1, 2.0)),
    ):
        got = read(model, IDS)
    torch.testing.assert_close(
        got[:, 1:, :2] - x[:, 1:, :2], torch.tensor([1.0, 2.0]).expand(2, 5, 2)
    )
    fresh = build("llama")
    # The inner place is checked for the first time while the outer one is edited.
    with intervene(fresh, "resid_post.0", neurons, Steer(0, 50.0)):
        with intervene(fresh, "mlp_out.2", neurons, Ablate(range(16)), positions=range(6)):
            assert not read(fresh, IDS, "mlp_out.2").any()
        assert any(name == "model.layers.0" for name, *_ in hooks_of(fresh))
        assert not any(name.startswith("model.layers.2") for name, *_ in hooks_of(fresh))
    assert hooks_of(fresh) == []


class Mirror(TransformerMixin, BaseEstimator):
    """A custom eraser: reflect rows in their mean."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return 2 * self.mean_ - X


@pytest.fixture(scope="module")
def erasers(rows):
    z = (rows[:, 0] > np.median(rows[:, 0])).astype(int)
    features = FeatureEraser(RandomDictionary(40, random_state=0), 2)
    return [eraser.fit(rows, z) for eraser in (LEACE(), features, Mirror())]


@pytest.mark.parametrize("positions", [None, [0, 4], [], np.eye(2, 6, 1, dtype=bool)])
def test_a_fitted_eraser_edits_the_tokens_that_an_edit_does(
    model, dictionaries, erasers, positions
):
    x, neurons = read(model, IDS), dictionaries["neurons"]
    with intervene(model, POINT, neurons, Steer(range(16), 9.0), positions=positions):
        edited = (read(model, IDS) != x).any(dim=-1)
    for eraser in erasers:
        erased = torch.from_numpy(eraser.transform(x.reshape(-1, 16).numpy())).reshape(x.shape)
        expected = torch.where(edited[..., None], erased, x)
        assert not torch.equal(erased, x)
        for dictionary in (None, neurons):
            with intervene(model, POINT, dictionary, eraser, positions=positions):
                got = read(model, IDS)
            torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6, msg=repr(eraser))
            assert torch.equal(got[~edited], x[~edited])
    assert hooks_of(model) == []


def test_erasers_nest_with_edits_and_generate(model, dictionaries, erasers):
    leace, neurons = erasers[0], dictionaries["neurons"]
    x = read(model, IDS)
    with (
        intervene(model, POINT, neurons, Steer(0, 3.0)),
        intervene(model, POINT, None, leace),
    ):
        got = read(model, IDS)[:, 1:]
    # The outer block edits first, and the inner one erases what it returns.
    step = torch.tensor([3.0] + [0.0] * 15)
    steered = (x[:, 1:] + step).reshape(-1, 16).numpy()
    expected = torch.from_numpy(leace.transform(steered)).reshape(got.shape)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    options = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    with intervene(model, POINT, None, leace):
        cached, plain = (model.generate(IDS, use_cache=use, **options) for use in (True, False))
    assert torch.equal(cached, plain)


@pytest.mark.parametrize("eraser", [LEACE(), FeatureEraser(IdentityDictionary()), Mirror()])
@pytest.mark.parametrize("with_dictionary", [True, False])
def test_an_unfitted_eraser_is_refused_before_the_model_runs(
    model, dictionaries, eraser, with_dictionary
):
    dictionary = dictionaries["neurons"] if with_dictionary else None
    name = type(eraser).__name__
    with pytest.raises(
        NotFittedError, match=rf"(?s){name}\(.*is not fitted.*fit it on activations"
    ):
        with intervene(model, POINT, dictionary, eraser):
            pytest.fail("the block was entered")
    assert hooks_of(model) == []


def test_gradients_pass(model, dictionaries):
    value = torch.zeros((), requires_grad=True)
    with intervene(model, POINT, dictionaries["pca"], lambda codes: codes + value):
        model(IDS).logits[:, -1].logsumexp(-1).sum().backward()
    assert value.grad.abs() > 0


def test_half_precision_is_left_alone_and_edited(dictionaries):
    model = build("llama").half()
    neurons = dictionaries["neurons"]
    plain = read(model, IDS, "resid_post.1")
    with intervene(model, POINT, neurons, lambda codes: codes):
        assert torch.equal(read(model, IDS), plain)
    with intervene(model, POINT, neurons, Ablate(3)):
        got = read(model, IDS)
    assert got.dtype == torch.float16
    assert not got[:, 1:, 3].any()


FAULTS = {
    "no such place": ({"hook_point": "resid_post.9"}, ValueError, "not found"),
    "place of a wrong kind": ({"hook_point": 3}, TypeError, "hook_point"),
    "wrong width": ({"dictionary": "narrow"}, ValueError, "width 16 but.*width 5"),
    "no dictionary": ({"dictionary": object()}, TypeError, "no components_"),
    "no such feature": ({"edit": Ablate([1, 16])}, ValueError, "features contains 16, which does"),
    "negative feature": ({"edit": Ablate(-1)}, ValueError, "does not exist"),
    "feature twice": ({"edit": Ablate([1, 1])}, ValueError, "more than once"),
    "features of a wrong kind": ({"edit": Ablate([0.5])}, TypeError, "integers"),
    "no edit": ({"edit": "ablate"}, TypeError, "edit='ablate'"),
    "list of edits": (
        {"edit": [Ablate(1), Ablate(2)]},
        TypeError,
        r"edit=\[Ablate\(1.* is a list.*nest one `with intervene\(\.\.\.\)` block for each edit",
    ),
    "class for an edit": ({"edit": Ablate}, TypeError, "edit="),
    "edit of a wrong shape": ({"edit": lambda c: c[..., 1:]}, ValueError, "returned shape"),
    "edit without a result": ({"edit": lambda c: None}, ValueError, "returned NoneType"),
    "class of an eraser": ({"edit": LEACE}, TypeError, "edit="),
    "edit with NaN": ({"edit": lambda c: c * torch.nan}, ValueError, "NaN or infinite"),
    "edit with infinity": ({"edit": lambda c: c + torch.inf}, ValueError, "NaN or infinite"),
    "edit that fails": ({"edit": lambda c: 1 / 0}, ZeroDivisionError, "division"),
    "other run of a wrong width": ({"edit": Patch(torch.zeros(2, 6, 4))}, ValueError, "width 4"),
    "other run of other texts": (
        {"edit": Patch(torch.zeros(3, 6, 16))},
        ValueError,
        "from 3 texts",
    ),
    "other run too short": (
        {"edit": Patch(torch.zeros(2, 4, 16)), "error": "target"},
        ValueError,
        "4 of 6",
    ),
    "no such error": ({"error": "none"}, ValueError, "error='none'"),
    "no other run": ({"error": "target"}, ValueError, "another run"),
    "positions before the text": ({"positions": [-1]}, ValueError, "positions"),
    "positions of a wrong kind": ({"positions": "last"}, ValueError, "positions"),
    "flags of other texts": ({"positions": np.ones((3, 6), bool)}, ValueError, "3 texts"),
}


# Every fault that does not concern the edit itself is refused for an eraser as well.
CASES = [(fault, False) for fault in FAULTS]
CASES += [(fault, True) for fault, (changed, *_) in FAULTS.items() if "edit" not in changed]


@pytest.mark.parametrize(("fault", "erasing"), CASES)
def test_bad_input_is_told_and_leaves_no_hook(model, dictionaries, rows, erasers, fault, erasing):
    changed, kind, message = FAULTS[fault]
    options = {"dictionary": dictionaries["neurons"], "hook_point": POINT}
    options |= {"edit": erasers[0] if erasing else Ablate(0)} | changed
    if options["dictionary"] == "narrow":
        options["dictionary"] = PCA(2).fit(rows[:, :5])
    point, dictionary, edit = (options.pop(k) for k in ("hook_point", "dictionary", "edit"))
    plain = logits(model, IDS)
    with pytest.raises(kind, match=message), intervene(model, point, dictionary, edit, **options):
        model(IDS)
    assert hooks_of(model) == []
    assert torch.equal(logits(model, IDS), plain)


def test_an_eraser_keeps_no_error_apart(model, dictionaries, erasers):
    for dictionary in (None, dictionaries["neurons"]):
        with pytest.raises(ValueError, match=r"error='drop' .*use error='keep'"):
            with intervene(model, POINT, dictionary, erasers[0], error="drop"):
                pytest.fail("the block was entered")


def test_edits_check_what_they_are_given():
    with pytest.raises(ValueError, match="rows="):
        Ablate(0, "mean")
    with pytest.raises(ValueError, match="'zero', 'mean'"):
        Ablate(0, "median")
    with pytest.raises(TypeError, match="'zero' or 'mean'"):
        Ablate(0, None)
    with pytest.raises(ValueError, match="mode"):
        Steer(0, 1.0, mode="push")
    with pytest.raises(ValueError, match="value"):
        Steer(0, np.nan)
    with pytest.raises(ValueError, match="shape"):
        Patch(torch.zeros(3))
