"""Steered generation does not depend on the cache, the padding or the way of searching."""

import numpy as np
import pytest
import torch

from skdict import IdentityDictionary
from skdict.interventions import Steer, intervene
from tests.conftest import build
from tests.tiny_models import BUILDERS, build_other

pytestmark = pytest.mark.kind("D")
NEURONS = IdentityDictionary().fit(np.zeros((2, 16)))
IDS = torch.tensor([[0, 0, 0, 5, 6, 7], [9, 8, 7, 6, 5, 4], [0, 11, 12, 13, 14, 15]])
MASK = (IDS != 0).long()
PLACES = dict.fromkeys(["gpt_neox", "gpt2", "llama", "gemma3", "qwen3", "mamba"], "resid_post.1")
PLACES |= {"t5": "decoder.block.1", "bart": "model.decoder.layers.1"}
OPTIONS = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "pad_token_id": 0}


@pytest.fixture(scope="module")
def models():
    return {
        family: build_other(family) if family in BUILDERS else build(family) for family in PLACES
    }


def generated(model, place, ids=IDS, mask=MASK, positions=None, size=8.0, **options):
    """Return the sequences and logits of steered generation."""
    edit = Steer([1, 5], size)
    with intervene(model, place, NEURONS, edit, positions=positions):
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            output_logits=True,
            return_dict_in_generate=True,
            **OPTIONS | options,
        )
    return out.sequences, None if "num_beams" in options else torch.stack(out.logits)


def agree(one, other):
    assert torch.equal(one[0], other[0])
    torch.testing.assert_close(one[1], other[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("positions", [None, [1, 2], [4]])
@pytest.mark.parametrize("family", PLACES)
def test_caches_change_nothing(models, family, positions):
    model, place = models[family], PLACES[family]
    plain = generated(model, place, positions=positions, use_cache=False)
    agree(generated(model, place, positions=positions, use_cache=True), plain)
    if family != "mamba":
        static = {"use_cache": True, "cache_implementation": "static"}
        agree(generated(model, place, positions=positions, **static), plain)
    unsteered = generated(model, place, positions=positions, size=0.0, use_cache=False)
    assert (unsteered[1] - plain[1]).abs().max() > 1e-3


# BART's encoder counts padding among its positions, so that its own texts depend on padding.
@pytest.mark.parametrize("family", [family for family in PLACES if family != "bart"])
def test_padding_changes_nothing(models, family):
    model, place = models[family], PLACES[family]
    together = generated(model, place, use_cache=True)[1]
    for row in range(3):
        ids = IDS[row][MASK[row].bool()][None]
        alone = generated(model, place, ids, torch.ones_like(ids), use_cache=True)[1]
        torch.testing.assert_close(together[:, row], alone[:, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma3", "mamba", "bart"])
def test_beams(models, family):
    model, place = models[family], PLACES[family]
    one, other = (
        generated(model, place, positions=[0, 4], num_beams=3, use_cache=use)[0]
        for use in (True, False)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "t5"])
def test_guesses_looked_up_in_the_prompt(models, family):
    ids = torch.tensor([[5, 6, 7, 5, 6, 7, 5, 6]])
    options = {"ids": ids, "mask": torch.ones_like(ids), "positions": [1, 4]}
    plain = generated(models[family], PLACES[family], **options, use_cache=False)
    agree(generated(models[family], PLACES[family], **options, prompt_lookup_num_tokens=3), plain)
