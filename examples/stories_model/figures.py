"""Measures of a model on stories and prompts that it was not trained on."""

import random
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict.datasets import make_agreement, make_ioi, make_pronouns
from skdict.datasets._task_words import BOYS, GIRLS
from stories_model.training import validation_loss

MENTIONS = (
    "The name of the new child in our street is {N}. We all ran to meet",
    "I know a goat that is called {N}. Yesterday I forgot to feed",
    "In this story {N} is a small robot. Nobody had ever heard of",
)


def measure_folder(folder, heldout, seed=0):
    """Return the measures of the model in a folder."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return measure(model, AutoTokenizer.from_pretrained(folder), heldout, seed)


def measure(model, tokenizer, heldout, seed=0, count=400):
    """Return the measures of a model as a dict of numbers."""
    figures = {
        "parameters": model.num_parameters(),
        "nats_per_character_heldout": validation_loss(model, tokenizer, heldout),
        "tokens_per_second": tokens_per_second(model),
        "name_induction": name_induction(model, tokenizer),
    }
    ioi = make_ioi(count, tokenizer, random_state=seed)
    right = differences(model, ioi) > 0
    for order in ("ABBA", "BABA"):
        figures[f"indirect_object_{order}"] = right[ioi.orders == order].mean()
    for template in np.unique(ioi.templates):
        figures[f"indirect_object_template_{template}"] = right[ioi.templates == template].mean()
    for introduce in (True, False):
        for distractor in (False, True):
            task = make_pronouns(
                count, tokenizer, introduce=introduce, distractor=distractor, random_state=seed
            )
            name = "introduced" if introduce else "known"
            name = f"pronoun_{name}" + ("_distractor" if distractor else "")
            figures[name] = accuracy(model, task)
    for distractor in (False, True):
        task = make_agreement(count, tokenizer, distractor=distractor, random_state=seed)
        figures["agreement" + ("_distractor" if distractor else "")] = accuracy(model, task)
    return {name: round(float(value), 4) for name, value in figures.items()}


@torch.inference_mode()
def differences(model, task):
    """Return the metric of every pair of prompts in a task."""
    pairs = np.array_split(np.arange(len(task.prompts)), max(1, len(task.prompts) // 32))
    return np.concatenate(
        [
            task.metric(
                model(
                    torch.from_numpy(task.input_ids[rows]),
                    attention_mask=torch.from_numpy(task.attention_mask[rows]),
                ).logits,
                some,
            ).numpy()
            for some in pairs
            for rows in [np.sort(np.r_[2 * some, 2 * some + 1])]
        ]
    )


def accuracy(model, task):
    """Return the share of pairs in which the right answer is more likely."""
    return (differences(model, task) > 0).mean()


@torch.inference_mode()
def name_induction(model, tokenizer):
    """Return how often the next piece of a mentioned name is the most likely token."""
    right = []
    for name in GIRLS + BOYS:
        for template in MENTIONS:
            start = tokenizer(template.format(N=name))["input_ids"]
            ids = tokenizer(template.format(N=name) + f" {name}")["input_ids"]
            guesses = model(torch.tensor([ids])).logits[0].argmax(-1).tolist()
            right += [guesses[i - 1] == ids[i] for i in range(len(start) + 1, len(ids))]
    return np.mean(right)


@torch.inference_mode()
def tokens_per_second(model, rows=16, length=256):
    """Return the number of tokens that the model reads per second."""
    ids = torch.from_numpy(
        np.array(random.Random(0).choices(range(model.config.vocab_size), k=rows * length))
    ).view(rows, length)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        model(ids)
        times.append(time.perf_counter() - began)
    return rows * length / min(times)
