"""A crosscoder is edited at the last of its hook points, with codes of all of them."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from skdict import RandomDictionary, SparseDictionaryAutoencoder, SparseTranscoder, load_stories
from skdict.decomposition import block_transcoder
from skdict.evaluation import loss_recovered
from skdict.interventions import (
    Ablate,
    Reconstruct,
    Steer,
    intervene,
    output_effects,
    virtual_weights,
)
from skdict.models import capture, find_hook_point, load_model

NAMES = "resid_post.1", "resid_post.2", "resid_post.3"
IDS = torch.tensor([[5, 90, 211, 7, 300, 11], [8, 1, 44, 4, 60, 3]])
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


@pytest.fixture(scope="module")
def model():
    return load_model(load_stories().model)[0]


def read(model, ids):
    points = {name: find_hook_point(model, name) for name in NAMES}
    with torch.no_grad(), capture(points) as values:
        model(ids)
    return [values[name] for name in NAMES]


@pytest.fixture(scope="module")
def crosscoder(model):
    ids = torch.randint(2000, (40, 16), generator=torch.Generator().manual_seed(0))
    rows = torch.cat(read(model, ids), dim=-1)[:, 1:].flatten(0, 1).numpy()
    options = {"activation": "batch_topk", "target_l0": 6, "max_iter": 2, "random_state": 0}
    return SparseDictionaryAutoencoder(80, blocks=[128] * 3, **options).fit(rows)


def codes_of(crosscoder, rows):
    """Return the codes of whole rows by the formula in the user guide."""
    pre = (rows - crosscoder.mean_) @ crosscoder.encoder_.T + crosscoder.encoder_bias_
    return np.where(pre > crosscoder.thresholds_, crosscoder.code_gains_ * pre, 0)


@contextmanager
def by_hand(model, crosscoder, change, error="keep"):
    """Edit the last block by bare hooks on the layers."""
    seen, decoder = [], crosscoder.components_[:, 256:]

    def collect(module, args, output):
        seen.append(output.numpy())

    def edit(module, args, output):
        collect(module, args, output)
        codes = codes_of(crosscoder, np.concatenate(seen, axis=-1))
        new = change(codes.copy())
        seen.clear()
        if error == "drop":
            edited = crosscoder.mean_[256:] + new @ decoder
        else:
            edited = output.numpy() + (new - codes) @ decoder
        result = output.clone()
        result[:, 1:] = torch.from_numpy(edited).to(output)[:, 1:]
        return result

    layers = model.model.layers
    handles = [layers[1].register_forward_hook(collect), layers[2].register_forward_hook(collect)]
    handles.append(layers[3].register_forward_hook(edit))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize(
    ("edit", "change", "error"),
    [
        (Ablate(range(0, 80, 2)), lambda codes: codes * (np.arange(80) % 2), "keep"),
        (Steer(7, 2.0), lambda codes: codes + 2.0 * (np.arange(80) == 7), "keep"),
        (Reconstruct(), lambda codes: codes, "drop"),
    ],
)
def test_an_edit_of_the_last_block_is_that_of_bare_hooks(edit, change, error, model, crosscoder):
    with torch.no_grad():
        clean = model(IDS).logits
        with by_hand(model, crosscoder, change, error):
            expected = model(IDS).logits
        last = block_transcoder(crosscoder, 2)
        with intervene(model, (NAMES, NAMES[2]), last, edit, error=error):
            found = model(IDS).logits
    assert (expected - clean).abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_an_edit_acts_at_every_step_of_a_generation(model, crosscoder):
    edit, options = Ablate(None), {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    last = block_transcoder(crosscoder, 2)
    with intervene(model, (NAMES, NAMES[2]), last, edit):
        cached = model.generate(IDS, **options)
        plain = model.generate(IDS, use_cache=False, **options)
    torch.testing.assert_close(cached, plain)


def test_measures_of_a_block_are_those_of_the_edited_model(crosscoder):
    stories = load_stories()
    last, place = block_transcoder(crosscoder, 2), (NAMES, NAMES[2])
    found = loss_recovered(stories.model, place, last, stories.texts[:3], max_length=20)
    assert found.cross_entropy_increase > 0.01
    table = output_effects(stories.model, place, last, stories.texts[:2], [4], max_length=20)
    model, tokenizer = load_model(stories.model)
    gained = []
    for text in stories.texts[:2]:
        ids = torch.tensor([tokenizer(text)["input_ids"][:20]])
        codes = codes_of(crosscoder, np.concatenate(read(model, ids), axis=-1))[0, :, 4]
        fires = torch.from_numpy(codes != 0)
        fires[0] = False
        with torch.no_grad():
            clean = model(ids).logits[0].log_softmax(-1)
            with by_hand(model, crosscoder, lambda c: c * (np.arange(80) != 4)):
                without = model(ids).logits[0].log_softmax(-1)
        gained.append((clean - without)[fires])
    expected = torch.cat(gained).mean(0).numpy()
    np.testing.assert_allclose(table.effects[0], expected, atol=1e-4)


def test_what_a_block_cannot_do_is_refused(model, crosscoder):
    first, last = block_transcoder(crosscoder, 0), block_transcoder(crosscoder, 2)
    refused = [
        (crosscoder, NAMES[2], "encodes 3 hook points side by side"),
        (last, (NAMES[:2], NAMES[2]), "encodes 3 hook points side by side"),
        (last, (NAMES[1], NAMES[2]), "encodes 3 hook points side by side"),
        (first, (NAMES, NAMES[2]), "encodes 3 hook points side by side"),
        (last, (NAMES, NAMES[1]), "the one of block i"),
        (last, ((NAMES[0], *NAMES[:2]), NAMES[2]), "of which 2 differ"),
        (last, ((), NAMES[2]), "of which 0 differ"),
    ]
    for dictionary, place, message in refused:
        with (
            pytest.raises(ValueError, match=message),
            intervene(model, place, dictionary, Ablate([1])),
        ):
            pass
    with (
        torch.no_grad(),
        pytest.raises(ValueError, match="reached 'resid_post.1' before it had computed"),
        intervene(model, (NAMES, NAMES[0]), first, Ablate([1])),
    ):
        model(IDS)
    upper = RandomDictionary(8, random_state=0).fit(np.eye(128))
    with pytest.raises(ValueError, match="no single path"):
        virtual_weights(upper, last, model=model, hook_points=["resid_post.4", (NAMES, NAMES[2])])


def test_a_transcoder_reads_hook_points_of_the_right_width(model):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 200)), rng.standard_normal((60, 128))
    transcoder = SparseTranscoder(16, max_iter=1, random_state=0).fit(X, y)
    place = NAMES[:2], NAMES[2]
    with (
        torch.no_grad(),
        pytest.raises(ValueError, match="has width 256 but the dictionary was fitted"),
        intervene(model, place, transcoder, Ablate([1])),
    ):
        model(IDS)
