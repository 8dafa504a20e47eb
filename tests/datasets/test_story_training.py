"""The script that makes the bundled model: its grammar keeps its rules, its training resumes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from skdict.datasets import _task_words as held_out
from skdict.datasets import load_stories

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

from stories_model import grammar, library, mixture, names, tokens, words  # noqa: E402

RUN_TINY = """
import argparse, sys
from pathlib import Path
from transformers import AutoTokenizer
from stories_model.training import train_model
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
stories = ["Lily ran to the park. She was happy.", "Tom saw a dog. The dog was big."] * 40
args = argparse.Namespace(
    work=sys.argv[1], workers=1, threads=1, device="cpu", seed=0, width=16, layers=1, heads=2,
    length=64, step_tokens=256, steps=5, blocks=6, learning_rate=1e-2, weight_decay=0.1,
    dropout=0.1, compile=False, falling_share=0.5, last_share=0.3,
)
train_model(tokenizer, stories, stories[:2], stories, args)
"""


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(load_stories().model)


def test_no_word_of_the_tasks_is_in_the_grammar():
    listed = {*names.GIRLS, *names.BOYS}
    assert len(listed) > 700
    assert listed.isdisjoint([*held_out.GIRLS, *held_out.BOYS])
    assert set(words.PLACES).isdisjoint(held_out.PLACES)
    assert set(words.OBJECTS).isdisjoint(held_out.OBJECTS)
    assert set(words.NOUNS).isdisjoint(held_out.NOUNS)
    rng = random.Random(0)
    text = " ".join(grammar.generated_story(rng)[0] for _ in range(3000))
    assert {*held_out.GIRLS, *held_out.BOYS}.isdisjoint(re.findall(r"\w+", text))


def test_in_two_name_stories_the_orders_are_even():
    rng, first = random.Random(0), 0
    for _ in range(2000):
        people = grammar.two_people(rng)
        story = grammar.fill(
            "{A} and {B} ran. {S} hugged {O}.",
            rng,
            grammar.scene(rng),
            **dict(zip("ABSO", [*people, *rng.sample(people, 2)], strict=True)),
        )
        found = re.fullmatch(r"(\S+) and (\S+) ran\. (\S+) hugged (\S+)\.", story).groups()
        assert set(found[:2]) == set(found[2:])
        first += found[0] == found[2]
    assert 900 < first < 1100


def test_pronouns_are_those_of_the_person():
    rng = random.Random(0)
    person = ("Zog", "girl")
    for template in (*words.PRONOUN_DEEDS, *words.KINDS):
        text = grammar.fill(template, rng, grammar.scene(rng), S=person)
        assert not re.search(r"\b([Hh]e|his|him|himself|boy|man)\b", text), text
        assert "{" not in text


def test_rows_end_where_texts_end_and_not_where_they_were_cut(tokenizer):
    texts = ["Tom ran.", "Lily saw a big"]
    lists = tokens.token_lists(tokenizer, texts)
    inputs, labels = tokens.pack(lists, 32, random.Random(0))
    assert inputs.shape == labels.shape == (1, 32)
    row, targets = inputs[0].tolist(), labels[0].tolist()
    starts = [i for i in range(sum(len(ids) for ids, _ in lists)) if row[i] == 0]
    assert len(starts) == 2
    for i in range(sum(len(ids) for ids, _ in lists) - 1):
        if row[i + 1] != 0:
            assert targets[i] == row[i + 1]
    ends = {tokenizer.decode(ids[1:]): targets[row.index(ids[-1])] for ids, _ in lists}
    assert ends == {"Tom ran.": 0, "Lily saw a big": -100}


def test_renamed_stories_keep_who_is_who():
    story = "Lily saw Tom. Lily gave Tom a ball. Daisy the cow saw Lily."
    renamed = mixture.rename(story, random.Random(0))
    girl, boy = re.match(r"(\w+) saw (\w+)\.", renamed).groups()
    assert {girl, boy}.isdisjoint({"Lily", "Tom"})
    assert renamed == story.replace("Lily", girl).replace("Tom", boy)


def test_a_block_is_the_same_after_an_interruption(tokenizer):
    stories = [f"Tom saw {n} cats. He ran." for n in range(90)]
    whole = mixture.Mixture(tokenizer, stories, stories, seed=0)
    blocks = [whole.block(number, 3000, 64, last=False) for number in range(3)]
    again = mixture.Mixture(tokenizer, stories, stories, seed=0)
    for number in range(2):
        again.block(number, 3000, 64, last=False)
    resumed = mixture.Mixture(tokenizer, stories, stories, seed=0)
    resumed.cursors = dict(again.cursors)
    for got, expected in zip(resumed.block(2, 3000, 64, last=False), blocks[2], strict=True):
        torch.testing.assert_close(got, expected)


def test_runs_are_found_exactly():
    rng = np.random.default_rng(0)
    seen = [rng.integers(0, 2048, size=40) for _ in range(50)]
    runs = library.Runs(seen)
    assert runs.contain(seen[7][1:]).all()
    assert not runs.contain(rng.integers(0, 2048, size=2000)).any()
    mixed = np.concatenate([rng.integers(0, 2048, size=20), seen[3][5:18]])
    assert runs.contain(mixed).tolist() == [False] * 20 + [True]
    assert runs.contain(seen[0][1:5]).shape == (0,)


@pytest.mark.slow
def test_a_training_that_was_killed_ends_with_the_same_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{EXAMPLES}{os.pathsep}{EXAMPLES.parent}"}

    def start(work):
        work.mkdir(exist_ok=True)
        command = [sys.executable, "-c", RUN_TINY, str(work), load_stories().model]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait() == 0
    process = start(tmp_path / "killed")
    while not (tmp_path / "killed" / "checkpoint.pt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert start(tmp_path / "killed").wait() == 0
    whole, killed = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "killed")
    )
    assert whole["block"] == killed["block"] == 6
    for name, weights in whole["model"].items():
        torch.testing.assert_close(killed["model"][name], weights, rtol=0, atol=0, msg=name)
