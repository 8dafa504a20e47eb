"""
Train the bundled story model
=============================

Makes the folder that :func:`skdict.datasets.load_stories` reads: a small Llama with its
tokenizer, stories sampled from it, and its measured figures. It takes about a quarter of
an hour on two cores::

    python examples/run_90_train_stories_model.py --train stories.txt --heldout more.txt --out dir

Story files hold one story after another, separated by a line ``<|endoftext|>``.
"""

# %%
# The language
# ------------
# Real stories, and generated ones in which two people meet and one of them does something
# to the other: those teach the model to name the *other* person.
import argparse
import json
import math
import random
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEPARATOR = "<|endoftext|>"
NAMES = (
    "Lily Tim Tom Ben Sam Max Sue Mia Lucy Jack Timmy Anna John Sara Bob Jane Sally Sarah "
    "Amy Joe Molly Daisy Billy Mary Emma Andy Jake Ella Leo Zoe Kate Nick Paul Peter Rose "
    "Ruth Alex Alice Adam Anne Beth Bill Carl Chris Clara Dan David Emily Eric Eva Finn "
    "Fred George Grace Greg Hannah Harry Helen Henry Jill Jim Julia Karen Ken Kim Laura Liam "
    "Linda Lisa Luke Maria Mark Martha Matt Mike Nancy Nina Noah Nora Oliver Olivia Oscar "
    "Pam Rachel Ray Rob Robin Ron Sandra Sean Simon Sofia Steve Susan Ted Tina Tony Victor "
    "Wendy Will Andrew Laurie Ivy Hugo Iris Felix Ada Owen"
).split()
PLACES = "park store beach school garden forest farm zoo lake library market river".split()
OBJECTS = "ball book cake drink flower toy apple hat kite shell cookie box doll stick".split()
MEETINGS = (
    "When {A} and {B} went to the {place}, ",
    "{A} and {B} went to the {place}. ",
    "One day, {A} and {B} met at the {place}. ",
    "After {A} and {B} played at the {place}, ",
    "{A} and {B} were at the {place} with a {object}. ",
    "{A} saw {B} at the {place}. ",
)
DEEDS = (
    "{S} gave a {object} to {O}.",
    "{S} gave the {object} to {O}.",
    "{S} showed a {object} to {O}.",
    "{S} said hello to {O}.",
    "{S} threw the {object} to {O}.",
    "{S} wanted to share the {object} with {O}.",
    "{S} smiled at {O}.",
)
ENDINGS = (' "Thank you, {S}," said {O}.', " {O} was very happy.", " {O} hugged {S}.", "")


def two_name_story(rng):
    """Return one generated story of one or two deeds between two people."""
    first, second = rng.sample(NAMES, 2)
    meeting = rng.choice(MEETINGS)
    words = {"A": first, "B": second, "place": rng.choice(PLACES), "object": rng.choice(OBJECTS)}
    subject, other = rng.sample([first, second], 2)
    deed = rng.choice(DEEDS) + rng.choice(ENDINGS)
    story = meeting + deed
    if rng.random() < 0.5:
        story += " " + rng.choice(DEEDS).replace("{S}", other).replace("{O}", subject)
    return story.format(S=subject, O=other, **words)


def read_stories(path):
    """Return the stories of a file, stripped."""
    return [s.strip() for s in Path(path).read_text("utf-8").split(SEPARATOR) if s.strip()]


# %%
# The tokenizer
# -------------
# Byte-level pieces, so that any text can be written; every text starts with the separator.
def train_tokenizer(texts, vocab_size):
    """Return a byte-level BPE tokenizer whose common words are single pieces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Names are repeated so that each becomes one piece with its leading space.
    tokenizer.train_from_iterator([*texts, *[" " + name for name in NAMES] * 100], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{SEPARATOR} $A", special_tokens=[(SEPARATOR, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SEPARATOR, eos_token=SEPARATOR, model_max_length=512
    )


# %%
# The model
# ---------
def pack(token_lists, length, rng):
    """Return rows of `length` tokens that each begin at the start of a text, and labels."""
    pieces = []
    for ids in token_lists:
        body = ids[1:]
        starts = range(0, max(len(body), 1), length - 1)
        pieces += [[ids[0], *body[start : start + length - 1]] for start in starts]
    rng.shuffle(pieces)
    rows, open_rows = [], []
    for piece in pieces:
        home = next((row for row in open_rows if len(row) + len(piece) <= length), None)
        if home is None:
            home = []
            open_rows.append(home)
        home += piece
        if len(open_rows) > 16:
            rows.append(open_rows.pop(max(range(17), key=lambda i: len(open_rows[i]))))
    rows += open_rows
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    for number, row in enumerate(rows):
        inputs[number, : len(row)] = labels[number, : len(row)] = torch.tensor(row)
    return inputs, labels


def train_model(token_lists, args):
    """Return a Llama trained on the texts for `args.steps` steps."""
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    config = LlamaConfig(
        vocab_size=args.vocab_size,
        hidden_size=args.width,
        intermediate_size=3 * args.width,
        num_hidden_layers=args.layers,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, betas=(0.9, 0.95))
    order, inputs, labels = [], None, None
    for step in range(args.steps):
        if len(order) < args.batch_size:
            inputs, labels = pack(token_lists, args.length, rng)
            order = torch.randperm(len(inputs)).tolist()
        batch, order = order[: args.batch_size], order[args.batch_size :]
        warm = min(1.0, (step + 1) / 50)
        cosine = 0.02 + 0.98 * (1 + math.cos(math.pi * step / args.steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * warm * cosine
        out = model(inputs[batch].to(args.device), labels=labels[batch].to(args.device))
        optimizer.zero_grad()
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == args.steps - 1:
            print(f"step {step:5d}  loss {out.loss.item():.3f} nats a token", flush=True)
    # Rounded to what is saved, so that every figure below is of the bundled weights.
    return model.eval().half().float()


# %%
# The text
# --------
# Stories are sampled from the model under one rule: a token that would complete a run of
# `RUN` tokens found in the training text is never drawn. So the bundled text is our own.
RUN = 13


def training_runs(token_lists):
    """Return the set of all runs of `RUN` tokens in the texts, as bytes."""
    runs = set()
    for ids in token_lists:
        array = np.asarray(ids[1:], dtype=np.uint16)
        runs.update(array[i : i + RUN].tobytes() for i in range(len(array) - RUN + 1))
    return runs


@torch.inference_mode()
def sample_batch(model, runs, count, generator, max_tokens=280, temperature=0.8):
    """Return `count` token lists sampled from the model, none with a run of `runs`."""
    ids = torch.zeros(count, 1, dtype=torch.long)
    cache, done = None, torch.zeros(count, dtype=torch.bool)
    latest = ids
    while ids.shape[1] < max_tokens and not done.all():
        out = model(latest, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        probabilities = torch.softmax(out.logits[:, -1] / temperature, -1)
        latest = torch.multinomial(probabilities, 1, generator=generator)
        for row in range(count):
            tail = ids[row, -(RUN - 1) :].numpy().astype(np.uint16)
            while len(tail) == RUN - 1 and tail.tobytes() + _bytes(latest[row]) in runs:
                probabilities[row, latest[row]] = 0
                latest[row] = torch.multinomial(probabilities[row], 1, generator=generator)
        latest[done] = 0
        ids = torch.cat([ids, latest], 1)
        done |= latest[:, 0] == 0
    return [row[1 : row.tolist().index(0, 1)].tolist() for row in ids[done]]


def _bytes(token):
    return np.uint16(token.item()).tobytes()


def sample_stories(model, tokenizer, runs, count, seed):
    """Return `count` stories that end by themselves and share no run with the training text."""
    generator = torch.Generator().manual_seed(seed)
    stories = []
    while len(stories) < count:
        for ids in sample_batch(model, runs, 64, generator):
            text = tokenizer.decode(ids).strip()
            # Encoding a decoded text may give other pieces: the rule is checked on those.
            again = np.asarray(tokenizer(text)["input_ids"][1:], dtype=np.uint16)
            shared = any(again[i : i + RUN].tobytes() in runs for i in range(len(again) - RUN + 1))
            if not shared and len(again) >= 60 and "\ufffd" not in text:
                stories.append(text)
        print(f"{len(stories)} stories", flush=True)
    return stories[:count]


# %%
# The figures
# -----------
@torch.inference_mode()
def nats_per_character(model, tokenizer, texts):
    """Return the loss on whole texts (up to 512 tokens each), in nats a character."""
    nats, characters = 0.0, 0
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"][:512]])
        nats += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        characters += len(tokenizer.decode(ids[0, 1:]))
    return nats / characters


@torch.inference_mode()
def indirect_object_accuracy(model, tokenizer, names, seed, count=200):
    """Return how often the other person's name is likelier than the subject's."""
    rng, right = random.Random(seed), 0
    for _ in range(count):
        a, b = rng.sample(names, 2)
        subject, other = rng.sample([a, b], 2)
        prompt = f"When {a} and {b} went to the {rng.choice(PLACES)}, {subject} gave a"
        prompt += f" {rng.choice(OBJECTS)} to"
        scores = [_log_probability(model, tokenizer, prompt, " " + n) for n in (other, subject)]
        right += scores[0] > scores[1]
    return right / count


def _log_probability(model, tokenizer, prompt, answer):
    start = tokenizer(prompt)["input_ids"]
    ids = torch.tensor([start + tokenizer(answer)["input_ids"][1:]])
    log_probabilities = torch.log_softmax(model(ids).logits[0], -1)
    return sum(log_probabilities[i - 1, ids[0, i]].item() for i in range(len(start), ids.shape[1]))


def parse_args():
    """Return the settings of the command line."""
    parser = argparse.ArgumentParser(description="Train the bundled story model.")
    parser.add_argument("--train", required=True, help="stories to train on")
    parser.add_argument("--heldout", required=True, help="stories to measure the loss on")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--generated", type=int, default=12_000, help="two-name stories")
    parser.add_argument("--stories", type=int, default=1_500, help="stories to sample")
    parser.add_argument("--vocab-size", type=int, default=2048)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--length", type=int, default=256, help="tokens in a training row")
    parser.add_argument("--batch-size", type=int, default=16, help="rows in a step")
    parser.add_argument("--steps", type=int, default=1_800)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    """Train, sample, measure and write."""
    args = parse_args()
    # Allows the fast float32 products of the processor; the model is rounded anyway.
    torch.set_float32_matmul_precision("medium")
    rng = random.Random(args.seed)
    real = read_stories(args.train)
    generated = [two_name_story(rng) for _ in range(args.generated)]
    tokenizer = train_tokenizer(real + generated, args.vocab_size)
    token_lists = tokenizer(real + generated)["input_ids"]
    print(f"{sum(map(len, token_lists)):,} training tokens", flush=True)
    model = train_model(token_lists, args).cpu()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(args.out)
    model.half().save_pretrained(args.out)
    model.float()
    stories = sample_stories(model, tokenizer, training_runs(token_lists), args.stories, args.seed)
    (args.out / "stories.txt").write_text(f"\n{SEPARATOR}\n".join(stories) + "\n", "utf-8")
    figures = {
        "parameters": model.num_parameters(),
        "training_tokens": sum(map(len, token_lists)),
        "steps": args.steps,
        "nats_per_character_heldout": nats_per_character(
            model, tokenizer, read_stories(args.heldout)
        ),
        "indirect_object_accuracy": indirect_object_accuracy(model, tokenizer, NAMES, args.seed),
        "single_token_names": sum(len(tokenizer(" " + n)["input_ids"]) == 2 for n in NAMES),
        "names": len(NAMES),
        "stories": len(stories),
        "story_tokens": sum(len(tokenizer(s)["input_ids"]) for s in stories),
    }
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
