"""Measure texts in characters and tokens, and warn if most of the tokens would be cut off."""

from statistics import median
from typing import NamedTuple

from sklearn.utils import gen_batches

from skdict.feature_extraction import read_in_windows
from skdict.models import context_length, encode_texts, special_ids

MOST_CUT = 0.5
# Number of texts to tokenize at a time, because tokens are only counted, not kept.
BATCH_TEXTS = 1024


class TextLengths(NamedTuple):
    """Lengths of texts in tokens, not counting special tokens.

    Parameters
    ----------
    per_text : list of int
        Number of tokens of each text.
    n_rows : list of int
        Number of rows that each text yields, counting special tokens that yield rows.
    read_per_text : list of int
        Number of tokens of each text that the model reads.
    window : int
        Maximum number of tokens per sequence.
    context : int or None
        Context length of the model, including special tokens, if the model states one.
    """

    per_text: list
    n_rows: list
    read_per_text: list
    window: int
    context: int | None

    @property
    def n_read(self):
        """Total number of tokens that the model reads."""
        return sum(self.read_per_text)

    def of(self, chosen):
        """Return the lengths of some of the texts, given their indices."""
        names = ("per_text", "n_rows", "read_per_text")
        columns = {name: getattr(self, name) for name in names}
        return self._replace(**{k: [column[i] for i in chosen] for k, column in columns.items()})


def report_characters(found, clock):
    """Report the number of texts, their lengths in characters, and what was skipped.

    Parameters
    ----------
    found : Texts
        Texts to report on.
    clock : Clock
        Clock to report with.
    """
    lengths = [len(text) for text in found.texts]
    described = (
        f"{len(lengths):,} texts in {found.origin}: median {median(lengths):,.0f} characters, "
        f"longest {max(lengths):,}"
    )
    if found.n_empty:
        described += f"; {found.n_empty:,} empty texts skipped"
    if found.n_ignored:
        described += f"; {found.n_ignored:,} other entries of the folder ignored"
    clock.say(described)


def report_tokens(found, extractor, clock):
    """Report the lengths of texts in tokens, and warn if most tokens would be cut off.

    Parameters
    ----------
    found : Texts
        Texts to report on.
    extractor : ActivationExtractor
        Extractor that will read the texts.
    clock : Clock
        Clock to report with.

    Returns
    -------
    TextLengths
        The lengths.
    """
    clock.say(f"counting the tokens of {len(found.texts):,} texts")
    lengths = measure_lengths(extractor, found.texts)
    clock.say(_describe_tokens(lengths, extractor.long_texts))
    n_tokens = sum(lengths.per_text)
    if n_tokens - lengths.n_read > MOST_CUT * n_tokens:
        clock.warn(_describe_cut(lengths, extractor.max_length))
    return lengths


def count_texts(found, lengths):
    """Return the counts of texts and tokens for the JSON results.

    Parameters
    ----------
    found : Texts
        Texts that were read.
    lengths : TextLengths
        Their lengths.

    Returns
    -------
    dict of str to int
        `n_texts`, `n_empty`, `n_ignored`, `n_tokens` and `n_tokens_read`.
    """
    return {
        "n_texts": len(found.texts),
        "n_empty": found.n_empty,
        "n_ignored": found.n_ignored,
        "n_tokens": sum(lengths.per_text),
        "n_tokens_read": lengths.n_read,
    }


def measure_lengths(extractor, texts):
    """Count the tokens of each text, and how many of them an extractor reads.

    Parameters
    ----------
    extractor : ActivationExtractor
        Extractor that will read the texts.
    texts : list of str
        Texts to tokenize.

    Returns
    -------
    TextLengths
        Counts of tokens without the special tokens that the tokenizer adds, and counts of rows.

    Raises
    ------
    ValueError
        If a text is too long and `long_texts` is "raise", or `max_length` leaves no room next to
        the special tokens.
    """
    model, tokenizer, _ = extractor._reading().check()
    context = context_length(model)
    most = min(extractor.max_length, context or extractor.max_length)
    options = {
        "max_length": most,
        "long_texts": extractor.long_texts,
        "skip_first": extractor.skip_first,
        "left_out": special_ids(tokenizer) if extractor.skip_special_tokens else None,
    }
    per_text, n_rows, n_special = [], [], 0
    for batch in gen_batches(len(texts), BATCH_TEXTS):
        for i, text in enumerate(encode_texts(tokenizer, texts[batch]), start=batch.start):
            per_text.append(len(text.body))
            n_special = len(text.prefix) + len(text.suffix)
            n_rows.append(sum(len(w.kept) for w in read_in_windows(text, i, **options)))
    window = max(0, most - n_special)
    cut = extractor.long_texts == "truncate"
    read_per_text = [min(n, window) for n in per_text] if cut else per_text
    return TextLengths(per_text, n_rows, read_per_text, window, context)


def _describe_tokens(lengths, long_texts):
    n_tokens, longest = sum(lengths.per_text), max(lengths.per_text)
    read = "all are read"
    if lengths.n_read < n_tokens:
        share = lengths.n_read / n_tokens
        read = f"{lengths.n_read:,} ({share:.0%}) are read, at most {lengths.window:,} per text"
    elif longest > lengths.window:
        limit = "at a time" if long_texts == "split" else "per text are accepted"
        read = f"at most {lengths.window:,} {limit}"
    return (
        f"{n_tokens:,} tokens: median {median(lengths.per_text):,.0f} per text, longest "
        f"{longest:,}; {read}"
    )


def _describe_cut(lengths, max_length):
    n_tokens = sum(lengths.per_text)
    longer = ""
    if lengths.context is None or max_length < lengths.context:
        limit = "" if lengths.context is None else f" (at most {lengths.context:,} for this model)"
        longer = f", or a larger --max-length{limit} to read more of each text"
    return (
        f"most of the text is cut off: only {lengths.n_read:,} of {n_tokens:,} tokens "
        f"({lengths.n_read / n_tokens:.0%}) are read, the first {lengths.window:,} of each text; "
        f"pass --long-texts split to read all tokens{longer}"
    )
