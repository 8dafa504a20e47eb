"""Bundled text: stories written by the model and generated stories, without copied text.

No run of `RUN` tokens may occur in a file that the model was trained on. While a story is sampled,
a token that would complete such a run is never drawn. If little else is likely, the story is
dropped, so that no sentence is distorted. The final text is checked again.
"""

import random

import numpy as np
import torch

from stories_model.grammar import generated_story
from stories_model.texts import read_stories, write_stories

RUN = 13
BATCH = 256
MAX_TOKENS = 300
TEMPERATURE = 0.75
# Minimum probability of a sampled token, relative to the most likely one.
LEAST_SHARE = 0.05
# A story is dropped if the remaining tokens have less total probability than this.
LEAST_LEFT = 0.02
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Runs:
    """Runs of `RUN` tokens of texts, as sorted 64-bit fingerprints."""

    def __init__(self, lists):
        marks = [self.fingerprints(np.asarray(ids[1:])) for ids in lists]
        self.sorted = np.unique(np.concatenate(marks))

    @staticmethod
    def fingerprints(tokens):
        """Return a fingerprint per run along the last axis of an array of token ids."""
        tokens = tokens.astype(np.uint64) + np.uint64(1)
        count = tokens.shape[-1] - RUN + 1
        marks = np.zeros((*tokens.shape[:-1], max(count, 0)), dtype=np.uint64)
        for place in range(RUN if count > 0 else 0):
            marks = marks * _FACTOR + tokens[..., place : place + count]
            marks ^= marks >> np.uint64(29)
        return marks

    def contain(self, tokens):
        """Return flags for the runs in an array of token ids that are among these runs."""
        marks = self.fingerprints(tokens)
        places = np.minimum(np.searchsorted(self.sorted, marks), len(self.sorted) - 1)
        return self.sorted[places] == marks


def write_library(model, tokenizer, seen, args):
    """Write `stories.txt` and `kinds.txt` with sampled and generated stories, shuffled."""
    runs = Runs([tokenizer(text, verbose=False)["input_ids"] for text in seen])
    stories = [(s, "sampled") for s in sample_stories(model, tokenizer, runs, args)]
    rng = random.Random(args.seed + 1)
    wanted = len(stories) + args.generated
    while len(stories) < wanted:
        story, kind = generated_story(rng)
        if is_new(story, tokenizer, runs):
            stories.append((story, kind))
    rng.shuffle(stories)
    write_stories(args.out / "stories.txt", [story for story, _ in stories])
    (args.out / "kinds.txt").write_text("\n".join(k for _, k in stories) + "\n", "utf-8")


def is_new(text, tokenizer, runs):
    """Return True if no run of a text is among `runs`."""
    return not runs.contain(np.asarray(tokenizer(text, verbose=False)["input_ids"][1:])).any()


def sample_stories(model, tokenizer, runs, args):
    """Return `args.sampled` complete stories that contain no known run."""
    generator = torch.Generator().manual_seed(args.seed)
    stories = []
    while len(stories) < args.sampled:
        for ids in _sample_batch(model, runs, generator):
            text = tokenizer.decode(ids).strip()
            # Encoding the decoded text can give other tokens, so check the rule on those too.
            if len(ids) >= 40 and "\ufffd" not in text and is_new(text, tokenizer, runs):
                stories.append(text)
        print(f"{len(stories)} stories", flush=True)
    return stories[: args.sampled]


@torch.inference_mode()
def _sample_batch(model, runs, generator):
    """Return the token lists of the stories of one batch that ended and were not dropped."""
    ids = torch.zeros(BATCH, 1, dtype=torch.long)
    cache, latest, stories = None, ids, []
    while len(ids) and ids.shape[1] < MAX_TOKENS:
        out = model(latest, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        probabilities = torch.softmax(out.logits[:, -1] / TEMPERATURE, -1)
        latest, keep = _draw_new(ids, probabilities, runs, generator)
        ended = latest[:, 0] == 0
        stories += ids[ended & keep, 1:].tolist()
        keep &= ~ended
        ids, latest = torch.cat([ids, latest], 1)[keep], latest[keep]
        cache.batch_select_indices(keep.nonzero()[:, 0])
    return stories


def _draw_new(ids, probabilities, runs, generator):
    """Return a token per row that completes no run, and flags for the rows that have one."""
    keep = torch.ones(len(ids), dtype=torch.bool)
    latest = _draw(probabilities, generator)
    for _ in range(8):
        bad = _completes_a_run(ids, latest, runs) & keep
        if not bad.any():
            return latest, keep
        rows = probabilities[bad].scatter(1, latest[bad], 0)
        probabilities[bad] = rows
        keep[bad] = rows.sum(1) >= LEAST_LEFT
        latest[bad] = _draw(rows.clamp_min(1e-12), generator)
    return latest, keep & ~_completes_a_run(ids, latest, runs)


def _draw(probabilities, generator):
    likely = probabilities >= LEAST_SHARE * probabilities.max(1, keepdim=True).values
    return torch.multinomial(probabilities * likely, 1, generator=generator)


def _completes_a_run(ids, latest, runs):
    # The separator before a story is not part of any run.
    tail = torch.cat([ids[:, 1:], latest], 1)[:, -RUN:]
    if tail.shape[1] < RUN:
        return torch.zeros(len(ids), dtype=torch.bool)
    return torch.from_numpy(runs.contain(tail.numpy())[:, 0])


def check_bundle(folder):
    """Exit if a bundle is too big or its kinds do not match its stories."""
    size = sum(path.stat().st_size for path in folder.iterdir())
    kinds = (folder / "kinds.txt").read_text("utf-8").split("\n")[:-1]
    if size > 5e6 or len(kinds) != len(read_stories(folder / "stories.txt")):
        raise SystemExit(
            f"{folder} has {size:,} bytes and {len(kinds)} kinds; at most 5,000,000 bytes and one "
            "kind per story are allowed: lower --sampled or --generated"
        )
