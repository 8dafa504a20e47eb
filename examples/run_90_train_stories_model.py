r"""
Train the bundled story model
=============================

Creates the folder that :func:`skdict.datasets.load_stories` reads: a small Llama with its
tokenizer and stories. This takes about two hours on two cores, or minutes on a GPU::

    python examples/run_90_train_stories_model.py --text folder --teacher stories260K \
        --work scratch --out stories

The text folder contains ``*train*.txt`` and ``*heldout*.txt``, with stories separated by a line
``<|endoftext|>``. Finished steps and the measured figures are kept in ``--work``; after an
interruption, the same command resumes from there.
"""

# %%
# The steps
# ---------
# Each step is a file in `stories_model`: a teacher writes stories, sentences are generated, the
# tokenizer and the model are trained, the model writes stories, and the model is measured.
import argparse
import json
import random
from pathlib import Path

import torch
from stories_model.figures import measure
from stories_model.grammar import generated_story
from stories_model.library import check_bundle, write_library
from stories_model.teacher import teacher_stories
from stories_model.texts import read_stories
from stories_model.tokens import train_tokenizer
from stories_model.training import train_model
from transformers import AutoTokenizer

from skdict.datasets._task_words import BOYS, GIRLS


def parse_args():
    """Return the command-line options."""
    parser = argparse.ArgumentParser(description="Train the bundled story model.")
    parser.add_argument("--text", required=True, type=Path, help="folder with training stories")
    parser.add_argument("--teacher", required=True, help="folder or name of the teacher model")
    parser.add_argument("--work", required=True, type=Path, help="folder for intermediate results")
    parser.add_argument("--out", required=True, type=Path, help="output folder")
    parser.add_argument("--teacher-stories", type=int, default=20_000, help="stories to sample")
    parser.add_argument("--validation", type=int, default=100, help="stories for validation")
    parser.add_argument("--sampled", type=int, default=1_200, help="stories the model writes")
    parser.add_argument("--generated", type=int, default=1_200, help="generated stories to add")
    parser.add_argument("--vocab-size", type=int, default=2048)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--length", type=int, default=256, help="tokens per training row")
    parser.add_argument("--step-tokens", type=int, default=4096, help="tokens per step")
    parser.add_argument("--steps", type=int, default=100, help="steps per block")
    parser.add_argument("--blocks", type=int, default=80, help="blocks, with a checkpoint each")
    parser.add_argument("--learning-rate", type=float, default=1e-2, help="peak learning rate")
    parser.add_argument("--falling-share", type=float, default=0.5, help="share of decaying rate")
    parser.add_argument("--last-share", type=float, default=0.3, help="share with more real text")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that share each step")
    parser.add_argument("--compile", action="store_true", help="compile (needs a C++ compiler)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read_folder(folder, part):
    """Return the stories in all files of a part ("train" or "heldout") of a folder."""
    paths = sorted(Path(folder).glob(f"*{part}*.txt"))
    stories = [story for path in paths for story in read_stories(path)]
    if len(stories) < 2:
        raise SystemExit(
            f"{folder} has no *{part}*.txt with 2 or more stories; pass another --text"
        )
    return stories


def without_task_names(stories):
    """Return the stories that contain no name of the task generators."""
    words = {*GIRLS, *BOYS}
    clean = str.maketrans(dict.fromkeys(".,!?\"';:", " "))
    return [story for story in stories if words.isdisjoint(story.translate(clean).split())]


def main():
    """Train the model, sample stories, measure the model and write the bundle."""
    args = parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    real = without_task_names(read_folder(args.text, "train"))
    heldout = read_folder(args.text, "heldout")
    real, validation = real[args.validation :], real[: args.validation]
    teacher = teacher_stories(
        args.teacher, real, args.teacher_stories, args.seed, args.work / "teacher"
    )
    teacher = without_task_names(teacher)
    folder = args.work / "tokenizer"
    if not folder.exists():
        rng = random.Random(args.seed)
        generated = [generated_story(rng)[0] for _ in range(len(real) * 2)]
        train_tokenizer(real + generated, args.vocab_size).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = train_model(tokenizer, real, validation, teacher, args).cpu()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(args.out)
    model.half().save_pretrained(args.out)
    model.float()
    write_library(model, tokenizer, real + validation + teacher + heldout, args)
    check_bundle(args.out)
    figures = measure(model, tokenizer, heldout, args.seed)
    (args.work / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
