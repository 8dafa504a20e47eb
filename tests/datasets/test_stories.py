"""The bundled model and text are small, readable and the model's own."""

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
    assert len(stories.texts) == 1500
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
