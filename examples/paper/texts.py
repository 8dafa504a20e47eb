"""The documents that models read: which ones, in which order, and which are held out."""

import json
import re

import numpy as np

from skdict import load_stories

SEPARATOR = "<|endoftext|>"
FEWEST_TOKENS = 24  # shorter documents are headings


def documents_of(path):
    """Return the documents of a file: parts between separator lines, or else paragraphs."""
    content = path.read_text(encoding="utf-8")
    parts = content.split(SEPARATOR) if SEPARATOR in content else re.split(r"\n\s*\n", content)
    return [part.strip() for part in parts if part.strip()]


def interleaved(sources, tokenizer, max_length):
    """Return documents and their lengths, the same number of tokens from each source while it lasts.

    Any beginning of the list is therefore a fair mixture of the sources.
    """
    drawn = []
    for number, documents in enumerate(sources):
        order = np.random.default_rng(0).permutation(len(documents))
        documents = [documents[i] for i in order]
        lengths = [min(len(ids), max_length) for ids in tokenizer(documents)["input_ids"]]
        kept = [(d, n) for d, n in zip(documents, lengths, strict=True) if n >= FEWEST_TOKENS]
        ends = np.cumsum([n for _, n in kept])
        drawn += [(end, number, d, n) for end, (d, n) in zip(ends, kept, strict=True)]
    drawn.sort(key=lambda item: item[:2])
    return [item[2] for item in drawn], [item[3] for item in drawn]


def split_by_tokens(documents, lengths, n_test, n_train):
    """Return the first documents of about n_test tokens, and the next ones of about n_train."""
    ends = np.cumsum(lengths)
    middle, end = np.searchsorted(ends, [n_test, n_test + n_train]) + 1
    if end > len(documents):
        raise SystemExit(
            f"the texts have {ends[-1]:,} tokens; {n_train:,} to fit on and {n_test:,} to measure "
            f"on are needed: pass more files with --text, or smaller --train-tokens"
        )
    return documents[:middle], documents[middle:end]


def read_documents(args, tokenizer):
    """Return the documents to measure on and those to fit on."""
    if args.text is None:
        if args.model is not None:
            raise SystemExit(
                "pass --text FILE ... with --model; the stories suit the bundled model"
            )
        sources = [load_stories().texts]
    else:
        sources = [documents_of(path) for path in args.text]
    found = interleaved(sources, tokenizer, args.max_length)
    return split_by_tokens(*found, args.test_tokens, args.train_tokens)


def write_documents(path, test, train):
    """Write documents as JSON lines, those to measure on first."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for name, documents in (("test", test), ("train", train)):
            file.writelines(json.dumps({"part": name, "text": d}) + "\n" for d in documents)
    part.replace(path)


def load_documents(path):
    """Return the documents to measure on and those to fit on, from a file of `write_documents`."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return [[r["text"] for r in records if r["part"] == part] for part in ("test", "train")]
