"""The documents that models read: which ones, in which order, and which are held out."""

import json
import re
from typing import NamedTuple

import numpy as np

from skdict import load_stories

SEPARATOR = "<|endoftext|>"
FEWEST_TOKENS = 24  # shorter documents are headings


class Document(NamedTuple):
    """A text, the name of the file it is from, and the number of its tokens that are read."""

    text: str
    source: str
    n_tokens: int


def texts_of(path):
    """Return the texts of a file: parts between separator lines, or else paragraphs."""
    content = path.read_text(encoding="utf-8")
    parts = content.split(SEPARATOR) if SEPARATOR in content else re.split(r"\n\s*\n", content)
    return [part.strip() for part in parts if part.strip()]


def shuffled(texts, source, tokenizer, max_length):
    """Return the texts that are long enough as documents in random order."""
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    lengths = map(len, tokenizer(texts)["input_ids"])
    documents = (
        Document(text, source, min(n, max_length)) for text, n in zip(texts, lengths, strict=True)
    )
    return [document for document in documents if document.n_tokens >= FEWEST_TOKENS]


def interleaved(sources):
    """Return documents such that any beginning has equally many tokens of each source.

    A source that is used up is missing from there on.
    """
    drawn = []
    for number, documents in enumerate(sources):
        ends = np.cumsum([document.n_tokens for document in documents])
        drawn += [(end, number, d) for end, d in zip(ends, documents, strict=True)]
    return [document for *_, document in sorted(drawn, key=lambda item: item[:2])]


def split_by_tokens(documents, n_test, n_train):
    """Return the first documents of about n_test tokens, and the next ones of about n_train."""
    ends = np.cumsum([document.n_tokens for document in documents])
    middle, end = np.searchsorted(ends, [n_test, n_test + n_train]) + 1
    if end > len(documents):
        raise SystemExit(
            f"the texts have {ends[-1]:,} tokens; {n_train:,} to fit on and {n_test:,} to measure "
            f"on are needed: pass more files with --text, or smaller --train-tokens"
        )
    return documents[:middle], documents[middle:end]


def read_documents(args, tokenizer):
    """Return the documents to measure on and those to fit on."""
    if args.text:
        sources = {path.stem: texts_of(path) for path in args.text}
    elif args.model is None:
        sources = {"stories": load_stories().texts}
    else:
        raise SystemExit("pass --text FILE ... with --model: the stories suit the bundled model")
    documents = [
        shuffled(texts, name, tokenizer, args.max_length) for name, texts in sources.items()
    ]
    return split_by_tokens(interleaved(documents), args.test_tokens, args.train_tokens)


def write_documents(path, test, train):
    """Write documents as JSON lines, those to measure on first."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        for name, documents in (("test", test), ("train", train)):
            file.writelines(json.dumps({"part": name} | d._asdict()) + "\n" for d in documents)
    part.replace(path)


def load_documents(path):
    """Return the documents to measure on and those to fit on, as `write_documents` wrote them."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    parts = [record.pop("part") for record in records]
    documents = [Document(**record) for record in records]
    n_test = parts.count("test")
    return documents[:n_test], documents[n_test:]
