"""Encoders are read, decoders have tokens of their own, and what makes no sense is refused."""

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch
from transformers import T5Config, T5ForConditionalGeneration

from skdict import ActivationExtractor, IdentityDictionary
from skdict.evaluation import loss_recovered
from skdict.interventions import (
    Steer,
    find_circuit,
    intervene,
    output_effects,
    patching_curve,
)
from tests.tiny_models import build_other
from tests.tiny_tokenizers import tiny_tokenizer

pytestmark = pytest.mark.kind("J")
TEXTS = ["abcdef", "gh", "ijklmnop"]
TOKENIZER = tiny_tokenizer("cls_sep")
NEURONS = IdentityDictionary().fit(np.zeros((2, 16)))
FAMILIES = {
    "t5": ("encoder.block.1", "decoder.block.1"),
    "bart": ("model.encoder.layers.1", "model.decoder.layers.1"),
}


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request):
    model = build_other(request.param)
    return model, *FAMILIES[request.param]


def states(module, text):
    """Return what follows block 1 of an encoder or decoder, by transformers' own account."""
    ids = torch.tensor([TOKENIZER(text)["input_ids"]])
    with torch.no_grad():
        return module(input_ids=ids, output_hidden_states=True).hidden_states[2][0].numpy()


def test_encoders_are_read(pair):
    model, place, _ = pair
    expected = np.concatenate([states(model.get_encoder(), text)[1:] for text in TEXTS])
    encoder = model.get_encoder()
    for read, name in ((model, "resid_post.1"), (model, place), (encoder, "resid_post.1")):
        acts = ActivationExtractor((read, TOKENIZER), name).transform(TEXTS)
        np.testing.assert_allclose(np.asarray(acts), expected, atol=1e-5)
        tokens = np.concatenate([TOKENIZER(text)["input_ids"][1:] for text in TEXTS])
        np.testing.assert_array_equal(acts.token_ids, tokens)


def test_a_decoder_alone_reads_its_own_tokens(pair):
    model = pair[0]
    expected = np.concatenate([states(model.get_decoder(), text)[1:] for text in TEXTS])
    acts = ActivationExtractor((model.get_decoder(), TOKENIZER), "resid_post.1").transform(TEXTS)
    np.testing.assert_allclose(np.asarray(acts), expected, atol=1e-5)


def test_texts_are_not_read_through_a_decoder(pair):
    model, _, place = pair
    with pytest.raises(ValueError, match=r"not in the encoder.*model\.get_encoder\(\)"):
        ActivationExtractor((model, TOKENIZER), place).transform(TEXTS)


def test_decoders_of_another_depth():
    config = T5Config(**build_other("t5").config.to_dict() | {"num_decoder_layers": 2})
    model = T5ForConditionalGeneration(config).eval()
    for part, last in ((model.get_encoder(), 2), (model.get_decoder(), 1)):
        acts = ActivationExtractor((part, TOKENIZER), f"resid_post.{last}").transform(TEXTS)
        assert acts.shape == (19, 16)
        with pytest.raises(ValueError, match=f"to 'resid_post.{last}'"):
            ActivationExtractor((part, TOKENIZER), f"resid_post.{last + 1}").transform(TEXTS)


@torch.no_grad()
def test_edits_of_an_encoder_reach_what_the_decoder_writes(pair):
    model, place, _ = pair
    ids = torch.tensor([TOKENIZER("abcdef")["input_ids"]])
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    options |= {"return_dict_in_generate": True, "output_logits": True}
    with intervene(model, place, NEURONS, Steer(1, 50.0)):
        got = model.generate(ids, **options).logits
    encoder = model.get_encoder()
    block = encoder.get_submodule(place.partition("encoder.")[2])

    def add(module, args, output):
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        hidden[:, 1:, 1] += 50.0
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = block.register_forward_hook(add)
    expected = model.generate(ids, **options).logits
    handle.remove()
    torch.testing.assert_close(torch.stack(got), torch.stack(expected), atol=1e-4, rtol=1e-4)
    # Encoded before the block, the texts are not edited.
    encoded = encoder(ids)
    with pytest.raises(ValueError, match="its input was computed before the block"):
        with intervene(model, place, NEURONS, Steer(1, 50.0)):
            model(encoder_outputs=encoded, decoder_input_ids=ids)


def test_what_continues_texts_refuses_a_model_that_does_not(pair):
    model, place, _ = pair
    task = Bunch(prompt_ids=[[4, 5]], counterfactual_ids=[[4, 6]], answer_ids=[([7], [8])])
    calls = [
        lambda: patching_curve(model, place, NEURONS, task),
        lambda: loss_recovered((model, TOKENIZER), place, NEURONS, TEXTS),
        lambda: output_effects((model, TOKENIZER), place, NEURONS, TEXTS),
        lambda: find_circuit(
            (model, TOKENIZER), {place: NEURONS, "lm_head": NEURONS}, ("lm_head", 0), TEXTS
        ),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"does not continue texts.*get_encoder\(\)"):
            call()


def test_models_that_read_no_token_ids():
    model = build_other("vit")
    with pytest.raises(ValueError, match="reads pixel_values and not token ids"):
        with intervene(model, "mlp_out.1", NEURONS, Steer(0, 1.0)):
            pass
    with pytest.raises(ValueError, match="reads pixel_values"):
        ActivationExtractor((model, TOKENIZER), "resid_post.1").transform(TEXTS)
    with pytest.raises(ValueError, match="pixel_values holds no tokens"):
        with intervene(model, "resid_post.1", NEURONS, Steer(0, 1.0)):
            model(torch.zeros(1, 3, 16, 16))
