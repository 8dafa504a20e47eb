"""The bundled model and text are small, readable and the model's own."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import load_stories

RUN = 13


@pytest.fixture(scope="module")
def stories():
    return load_stories()


@pytest.fixture(scope="module")
def tokenizer(stories):
    return AutoTokenizer.from_pretrained(stories.model)


def test_small_and_described(stories):
    size = sum(f.stat().st_size for f in Path(stories.model).iterdir())
    assert size < 5e6
    for word in ("Licences", "nats per character", "trained"):
        assert word in stories.DESCR
    assert len(stories.texts) == len(stories.kinds) == 2400
    assert set(stories.kinds) == {"sampled", "indirect object", "pronoun", "agreement", "name"}
    assert all(isinstance(text, str) and text for text in stories.texts)


def test_tokens_are_readable(tokenizer):
    assert len(tokenizer) == 2048
    for name in ("Lily", "Tom", "Sarah", "Peter"):
        assert len(tokenizer(" " + name)["input_ids"]) == 2
    text = "Lily saw 3 cats!\nSchön, naïve: 猫"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_the_model_predicts_its_language(stories, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(stories.model, dtype=torch.float32).eval()

    def loss(text):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            return model(ids, labels=ids).loss.item()

    story = "Once upon a time, there was a little girl named Lily. She had a big red ball."
    assert loss(story) < 2
    assert loss(" ".join(reversed(story.split()))) > loss(story) + 1
    prompt = tokenizer("When Mary and John went to the store, John gave a drink to")["input_ids"]
    with torch.inference_mode():
        logits = model(torch.tensor([prompt])).logits[0, -1]
    mary, john = (tokenizer(f" {name}")["input_ids"][1] for name in ("Mary", "John"))
    assert logits[mary] > logits[john]


def test_no_run_of_thirteen_tokens_is_shared_with_training_text(stories, tokenizer, shared_data):
    def runs(text):
        ids = np.asarray(tokenizer(text, verbose=False)["input_ids"][1:], dtype=np.uint16)
        return {ids[i : i + RUN].tobytes() for i in range(len(ids) - RUN + 1)}

    training = (shared_data / "text" / "tinystories-train.txt").read_text("utf-8")
    seen = set().union(*map(runs, map(str.strip, training.split("<|endoftext|>"))))
    ours = set().union(*map(runs, stories.texts))
    assert len(ours) > 200_000
    assert not ours & seen


@pytest.fixture(scope="module")
def figures(stories, tokenizer, shared_data):
    """What the card says, measured on fewer stories and prompts."""
    heldout = (shared_data / "text" / "tinystories-heldout.txt").read_text("utf-8")
    heldout = [story.strip() for story in heldout.split("<|endoftext|>") if story.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
        measuring = importlib.import_module("stories_model.figures")
    model = AutoModelForCausalLM.from_pretrained(stories.model, dtype=torch.float32).eval()
    return measuring.measure(model, tokenizer, heldout[:40], count=200)


@pytest.mark.parametrize(
    ("figure", "least"),
    [
        ("indirect_object_ABBA", 0.83),
        ("indirect_object_BABA", 0.87),
        ("pronoun_introduced", 0.92),
        ("pronoun_introduced_distractor", 0.92),
        ("pronoun_known", 0.9),
        ("pronoun_known_distractor", 0.75),
        ("agreement", 0.95),
        ("agreement_distractor", 0.6),
        ("name_induction", 0.9),
    ],
)
def test_the_model_does_its_tasks_on_unseen_words(figures, figure, least):
    assert figures[figure] > least


def test_the_order_of_names_decides_little(figures):
    assert abs(figures["indirect_object_ABBA"] - figures["indirect_object_BABA"]) < 0.1


def test_the_model_knows_stories_it_has_not_read(figures):
    assert figures["nats_per_character_heldout"] < 0.66
