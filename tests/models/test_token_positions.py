"""Every way of calling a model says the same about where its tokens stand, or is refused."""

import numpy as np
import pytest
import torch
from transformers import StaticCache

from skdict import IdentityDictionary
from skdict.interventions import Steer, intervene
from skdict.models import capture, find_hook_point
from tests.conftest import build
from tests.tiny_models import build_other

pytestmark = pytest.mark.kind("D")
NEURONS = IdentityDictionary().fit(np.zeros((2, 16)))
POINT = "resid_post.1"
IDS = torch.tensor([[0, 0, 5, 6, 7, 8], [4, 9, 8, 7, 6, 5]])
MASK = (IDS != 0).long()
PLACED = (MASK.cumsum(dim=1) - 1).clamp(min=0)
UNPADDED = torch.tensor([[4, 9, 8, 7, 6, 5]])


@pytest.fixture(scope="module")
def llama():
    return build("llama")


def steered(model, *calls, positions=None):
    """Return the last result of calls inside a block; a call may use the results before it."""
    results = []
    with torch.no_grad(), intervene(model, POINT, NEURONS, Steer(1, 30.0), positions=positions):
        for call in calls:
            results.append(call(*results))
    return results[-1]


def edited(model, call, positions=None):
    """Return which rows a call edits, by what comes out of the place without and with the edit."""
    with torch.no_grad():
        values = []
        for size in (0.0, 1.0):
            with intervene(model, POINT, NEURONS, Steer(0, size), positions=positions):
                with capture({"x": find_hook_point(model, POINT)}, stop=False) as read:
                    call()
            values.append(read["x"])
    return (values[1] - values[0]).abs().sum(-1).gt(0.5).int().tolist()


def additive(mask):
    """Return a mask of shape (texts, tokens) as a causal one to be added to scores."""
    seen = torch.ones(mask.shape[1], mask.shape[1]).tril().bool() & mask.bool()[:, None]
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)[:, None]


@pytest.mark.parametrize("positions", [None, [0, 2], [3]])
def test_ways_of_saying_the_same(llama, positions):
    base = llama.model
    embeds = base.embed_tokens(IDS).detach()
    ways = [
        lambda: base(input_ids=IDS, attention_mask=MASK, position_ids=PLACED),
        lambda: base(IDS, MASK, PLACED),
        lambda: base(IDS, attention_mask=MASK.bool(), position_ids=PLACED),
        lambda: base(inputs_embeds=embeds, attention_mask=MASK, position_ids=PLACED),
        lambda: base(IDS, additive(MASK), PLACED),
        lambda: base(IDS, additive(MASK) == 0, PLACED),
        lambda: base(IDS, {"full_attention": additive(MASK)}["full_attention"], PLACED),
        lambda: base(IDS, MASK.float(), PLACED),
    ]
    expected = {None: [[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]]}
    wanted = expected.get(positions) if positions is None else None
    if positions is not None:
        at = torch.where(MASK.bool(), PLACED, -1)
        wanted = torch.isin(at, torch.tensor(positions)).int().tolist()
    for way in ways:
        assert edited(base, way, positions) == wanted
        assert edited(llama, way, positions) == wanted


def test_texts_packed_into_one_row_start_anew(llama):
    ids, places = torch.tensor([[4, 5, 6, 7, 8, 9]]), torch.tensor([[0, 1, 0, 1, 2, 0]])
    blocks = torch.tensor([0, 0, 1, 1, 1, 2])
    own = (blocks[:, None] == blocks) & torch.ones(6, 6).tril().bool()
    for mask in (None, torch.ones_like(ids), own[None, None]):
        got = edited(llama, lambda m=mask: llama(ids, attention_mask=m, position_ids=places))
        assert got == [[0, 1, 0, 1, 1, 0]]


@pytest.mark.parametrize("positions", [None, [1, 4], [5]])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("masked", [True, False])
def test_a_text_read_in_pieces(llama, cache, masked, positions):
    """By hand, with masks on the way or only at the start, as on the whole text."""

    def start():
        past = StaticCache(llama.config, max_cache_len=12) if cache == "static" else None
        return llama(
            IDS[:, :3],
            attention_mask=MASK[:, :3],
            position_ids=PLACED[:, :3],
            past_key_values=past,
            use_cache=True,
        )

    def go_on(first):
        # The mask by key is additive: the model sees padding no more than before.
        whole = MASK if masked else additive(MASK)[:, :, 3:]
        if cache == "static" and not masked:
            whole = torch.nn.functional.pad(whole, (0, 6), value=torch.finfo(torch.float32).min)
        return llama(IDS[:, 3:], whole, PLACED[:, 3:], past_key_values=first.past_key_values).logits

    def whole():
        return llama(IDS, attention_mask=MASK, position_ids=PLACED).logits[:, 3:]

    got = steered(llama, start, go_on, positions=positions)
    torch.testing.assert_close(got, steered(llama, whole, positions=positions), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["mamba", "mamba2", "rwkv"])
@pytest.mark.parametrize("positions", [None, [0, 3], [5]])
def test_state_spaces_read_token_by_token(family, positions):
    model, name = build_other(family), "state" if family == "rwkv" else "cache_params"

    def step(t):
        def call(*before):
            past = {name: getattr(before[-1], name)} if before else {}
            return model(UNPADDED[:, t : t + 1], use_cache=True, **past)

        return call

    got = steered(model, *map(step, range(6)), positions=positions).logits[:, -1]
    whole = steered(model, lambda: model(UNPADDED, use_cache=False), positions=positions)
    torch.testing.assert_close(got, whole.logits[:, -1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_cache_filled_before_the_block(llama):
    mamba = build_other("mamba")
    before = mamba(UNPADDED[:, :3], use_cache=True).cache_params
    with pytest.raises(ValueError, match="cache_params does not say how many tokens"):
        steered(mamba, lambda: mamba(UNPADDED[:, 3:4], cache_params=before))
    got = steered(
        mamba, lambda: mamba(UNPADDED[:, 3:4], torch.ones(1, 4).long(), cache_params=before)
    )
    assert got.logits.isfinite().all()
    past = llama(UNPADDED[:, :3], use_cache=True).past_key_values
    seen = []

    def note(codes):
        seen.append(codes.any(dim=-1).int().tolist())
        return codes

    with intervene(llama, POINT, NEURONS, note, positions=[4]):
        llama(UNPADDED[:, 3:], past_key_values=past)
    assert seen == [[[0, 1, 0]]]


def test_the_tokens_of_a_decoder_are_its_own():
    model, seen = build_other("bart"), []
    ids, decoder_ids = torch.tensor([[4, 5, 6, 7, 8, 9]]), torch.tensor([[0, 0, 2, 3, 4]])
    mask = torch.tensor([[0, 0, 1, 1, 1]])

    def note(codes):
        seen.append((codes != 0).any(-1).int().tolist())
        return codes

    for place in ("model.decoder.layers.1", "model.encoder.layers.1", "lm_head"):
        wide = IdentityDictionary().fit(np.zeros((2, 300 if place == "lm_head" else 16)))
        with torch.no_grad(), intervene(model, place, wide, note):
            model(ids, decoder_input_ids=decoder_ids, decoder_attention_mask=mask)
    assert seen == [[[0, 0, 0, 1, 1]], [[0, 1, 1, 1, 1, 1]], [[0, 0, 0, 1, 1]]]


REFUSED = {
    "mask too short": ({"attention_mask": torch.ones(2, 4)}, "attention_mask has 4 columns"),
    "mask of other texts": ({"attention_mask": torch.ones(3, 6)}, "attention_mask has 3 rows"),
    "mask of one axis": ({"attention_mask": torch.ones(6)}, "attention_mask is Tensor"),
    "mask to multiply by": ({"attention_mask": torch.ones(2, 1, 6, 6)}, "neither boolean nor"),
    "mask of other queries": (
        {"attention_mask": torch.zeros(2, 1, 4, 6)},
        "neither boolean nor additive over 6",
    ),
    "position ids of other tokens": ({"position_ids": torch.ones(2, 5)}, "position_ids has shape"),
    "cache position": ({"cache_position": torch.arange(3, 9)}, "cache_position starts at 3"),
    "cache of unknown length": ({"state": [torch.zeros(2)]}, "state does not say"),
}


class Takes(torch.nn.Module):
    """A model that takes everything and minds nothing."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(300, 16)

    def forward(self, input_ids, attention_mask=None, past_key_values=None, **others):
        return self.embed(input_ids)


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(llama, what):
    options, message = REFUSED[what]
    if "cache_position" in options:
        options = options | {"past_key_values": StaticCache(llama.config, max_cache_len=12)}
    model = Takes()
    with pytest.raises(ValueError, match=message):
        with intervene(model, "embed", NEURONS, Steer(0, 1.0)):
            model(IDS, **options)


@torch.no_grad()
def test_a_pass_that_ended_early_says_nothing_of_the_next(llama):
    seen = []

    def note(codes):
        seen.append(codes.any(dim=-1).int().tolist())
        return codes

    with intervene(llama, POINT, NEURONS, note):
        for point in ("resid_post.0", POINT):
            with capture({"x": find_hook_point(llama, point)}):
                llama(IDS, attention_mask=MASK)
            llama.model(IDS.clamp(min=1))
            assert seen[-1] == [[0, 1, 1, 1, 1, 1]] * 2


def test_positions_outside_the_texts_are_refused(llama):
    for positions, named in (([2, 6], "6"), (np.ones((1, 9), bool), "6, 7, 8")):
        with pytest.raises(ValueError, match=rf"positions contains \[{named}\]"):
            steered(llama, lambda: llama(UNPADDED), positions=positions)
    steered(llama, lambda: llama(UNPADDED), positions=[5])
