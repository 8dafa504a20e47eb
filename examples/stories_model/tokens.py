"""The tokenizer, and the rows of tokens for training."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from stories_model.names import COMMON
from stories_model.texts import SEPARATOR


def train_tokenizer(texts, vocab_size):
    """Return a byte-level BPE tokenizer that starts every text with the separator."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[SEPARATOR],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Repeat common names so that each becomes one token with its leading space.
    tokenizer.train_from_iterator([*texts, *[" " + name for name in COMMON] * 100], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{SEPARATOR} $A", special_tokens=[(SEPARATOR, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SEPARATOR, eos_token=SEPARATOR, model_max_length=512
    )


def token_lists(tokenizer, texts):
    """Return the tokens of each text, and a flag for texts that end at the end of a sentence.

    A text that a limit cut within a sentence must not teach the model how stories end.
    """
    ids = tokenizer(texts, verbose=False)["input_ids"]
    return [(row, text[-1:] in ".!?\"'") for row, text in zip(ids, texts, strict=True)]


def pack(lists, length, rng):
    """Return rows of `length` tokens that begin at the start of a text, and their labels.

    Both are tensors of shape (n_rows, length). Label t is token t + 1, or -100 to ignore it: after
    the last token, and at the end of a text that was cut.
    """
    pieces = []
    for (first, *body), ended in lists:
        for start in range(0, max(len(body), 1), length - 1):
            piece = [first, *body[start : start + length - 1]]
            last = start + length - 1 >= len(body)
            pieces.append((piece, [*piece[1:], first if last and ended else -100]))
    rng.shuffle(pieces)
    rows, open_rows = [], []
    for piece, labels in pieces:
        home = next((row for row in open_rows if len(row[0]) + len(piece) <= length), None)
        if home is None:
            home = [], []
            open_rows.append(home)
        home[0].extend(piece)
        home[1].extend(labels)
        if len(open_rows) > 16:
            rows.append(open_rows.pop(max(range(17), key=lambda i: len(open_rows[i][0]))))
    rows += open_rows
    inputs = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    for number, (row, targets) in enumerate(rows):
        inputs[number, : len(row)] = torch.tensor(row)
        labels[number, : len(row)] = torch.tensor(targets)
    return inputs, labels
