"""The search finds the features that make a feature fire, by how much."""

import numpy as np
import pytest
import torch

from skdict import IdentityDictionary
from skdict.decomposition import RandomDictionary
from skdict.interventions import Ablate, find_circuit, intervene
from skdict.models import capture, find_hook_point
from tests.conftest import build

TEXTS = ["the cat sat", "a dog and a cow ran", "so it was in the end"]


@pytest.fixture(scope="module")
def model():
    model = build("llama")
    with torch.no_grad():
        for weight in model.parameters():
            weight *= 8 if weight.ndim == 2 else 1
    return model


@pytest.fixture(scope="module")
def dictionaries():
    rows = np.random.default_rng(0).standard_normal((80, 16)).astype(np.float32)
    names = ("resid_post.2", "resid_post.0", "resid_post.1")
    return {name: RandomDictionary(12, random_state=i).fit(rows) for i, name in enumerate(names)}


def test_drops_are_those_of_ablating_with_a_plain_intervention(model, byte_tokenizer, dictionaries):
    target = ("resid_post.2", 4)
    # Every context is drawn, so that the mean is over all that fire strongly.
    found = find_circuit(
        (model, byte_tokenizer), dictionaries, target, TEXTS, n_contexts=999, max_depth=1
    )
    point, upper = find_hook_point(model, target[0]), dictionaries[target[0]]

    def codes(text):
        ids = torch.tensor([byte_tokenizer(text)["input_ids"]])
        with torch.no_grad(), capture({"x": point}) as values:
            model(ids)
        return upper.transform(values["x"][0].numpy())[1:, 4]

    before = [codes(text) for text in TEXTS]
    largest = max(map(np.max, before))
    strong = [values >= largest / 2 for values in before]
    assert found.nodes[0]["max_activation"] == pytest.approx(largest, rel=1e-4)
    assert found.nodes[0]["n_contexts"] == sum(s.sum() for s in strong)
    for edge in found.edges:
        name, feature = edge["parent"]
        assert name == "resid_post.1" and edge["child"] == target
        with intervene(model, name, dictionaries[name], Ablate([feature])):
            after = [codes(text) for text in TEXTS]
        drops = [(b - a)[s] for b, a, s in zip(before, after, strong, strict=True)]
        assert edge["drop"] == pytest.approx(np.concatenate(drops).mean(), rel=1e-3)
    drops = [edge["drop"] for edge in found.edges]
    assert drops == sorted(drops, reverse=True) and min(drops) > 0


def test_planted_parents_are_found_down_to_the_lowest_place(byte_tokenizer):
    """In blocks that change nothing, an axis is made by the same axis below, alone."""
    model = build("llama")
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
    neurons = IdentityDictionary().fit(np.zeros((2, 16), dtype=np.float32))
    places = ("resid_post.0", "resid_post.1", "resid_post.2")
    found = find_circuit(
        (model, byte_tokenizer), dict.fromkeys(places, neurons), ("resid_post.2", 5), TEXTS
    )
    expected = [("resid_post.1", 5), ("resid_post.0", 5)]
    assert [edge["parent"] for edge in found.edges] == expected
    for edge in found.edges:
        assert edge["relative_drop"] == pytest.approx(1, rel=1e-5)
    assert [node["depth"] for node in found.nodes] == [0, 1, 2]


def test_graph_holds_the_tables(model, byte_tokenizer, dictionaries):
    pytest.importorskip("networkx")
    found = find_circuit(
        (model, byte_tokenizer), dictionaries, ("resid_post.2", 4), TEXTS, n_parents=2
    )
    assert set(found.graph.edges) == {(e["parent"], e["child"]) for e in found.edges}
    assert len(found.graph) == len(found.nodes)
    assert any(edge["parent"][0] == "resid_post.0" for edge in found.edges)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"target": ("resid_post.2", 12)}, ValueError, "contains 12, which does not exist"),
        ({"target": ("resid_post.0", 1)}, ValueError, "lowest hook point"),
        ({"target": ("mlp_out.0", 1)}, ValueError, "without a dictionary"),
        ({"target": 3}, TypeError, "hook point, feature"),
        ({"dictionaries": {}}, ValueError, "at least two"),
        ({"n_parents": 0}, ValueError, "n_parents"),
        ({"texts": "one"}, TypeError, "list of texts"),
    ],
)
def test_bad_input(model, byte_tokenizer, dictionaries, changes, error, message):
    arguments = {"dictionaries": dictionaries, "target": ("resid_post.2", 4), "texts": TEXTS}
    with pytest.raises(error, match=message):
        find_circuit((model, byte_tokenizer), **(arguments | changes))
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_a_dictionary_of_another_width_is_refused(model, byte_tokenizer, dictionaries):
    other = IdentityDictionary().fit(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="width 5"):
        find_circuit(
            (model, byte_tokenizer),
            dictionaries | {"resid_post.0": other},
            ("resid_post.2", 4),
            TEXTS,
        )
