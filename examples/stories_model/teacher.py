"""Stories sampled from a teacher model, as training data for the student.

The two vocabularies differ, so the teacher is distilled through text. Half of the stories are
written from scratch, and the others continue the first words of a real story.
"""

import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stories_model.texts import SEPARATOR, read_stories, write_stories

BATCH = 256
MAX_TOKENS = 320
TEMPERATURE = 0.9
STARTS = 24, 48, 96


def teacher_stories(folder, real, count, seed, out):
    """Return `count` stories by the teacher in `folder`, and keep finished batches in `out`."""
    paths = [Path(out) / f"teacher-{number:05d}.txt" for number in range(-(-count // BATCH))]
    if not all(path.exists() for path in paths):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for number, path in enumerate(paths):
        if not path.exists():
            write_stories(path, _write_batch(model, tokenizer, real, seed + number, number))
            print(f"teacher: {(number + 1) * BATCH:,} of {count:,} stories", flush=True)
    stories = [story for path in paths for story in read_stories(path)]
    return [story for story in stories if "\ufffd" not in story and SEPARATOR not in story][:count]


@torch.inference_mode()
def _write_batch(model, tokenizer, real, seed, number):
    """Return the stories of one batch; those of odd batches continue real stories."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    ids = torch.full((BATCH, 1), tokenizer.bos_token_id)
    if number % 2:
        # All starts of a batch have the same length, so nothing needs padding.
        length = rng.choice(STARTS)
        starts = []
        while len(starts) < BATCH:
            start = tokenizer(rng.choice(real))["input_ids"][:length]
            starts += [start] if len(start) == length else []
        ids = torch.tensor(starts)
    ids = _continue(model, ids, generator)
    ends = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    stories = []
    for row in ids.tolist():
        end = next((i for i, token in enumerate(row) if i and token in ends), len(row))
        stories.append(tokenizer.decode(row[1:end]).strip())
    return stories


def _continue(model, ids, generator):
    """Return rows of ids extended by sampled tokens to `MAX_TOKENS` in total."""
    latest, cache = ids, None
    while ids.shape[1] < MAX_TOKENS:
        out = model(latest, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = out.past_key_values
        probabilities = torch.softmax(out.logits[:, -1] / TEMPERATURE, -1)
        latest = torch.multinomial(probabilities, 1, generator=generator)
        ids = torch.cat([ids, latest], 1)
    return ids
