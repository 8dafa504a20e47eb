"""Texts are drawn whole, up to a number of tokens."""

import numpy as np
import pytest

from skdict._cli._text_lengths import TextLengths
from skdict._cli._texts import Texts
from skdict._cli._token_limit import limit_tokens

LENGTHS = np.random.default_rng(1).integers(1, 300, size=200)


def texts_and_lengths(window=256):
    found = Texts([f"text {i}" for i in range(len(LENGTHS))], "a file", n_empty=3)
    read = np.minimum(LENGTHS, window).tolist()
    rows = [n - 1 for n in read]
    return found, TextLengths(LENGTHS.tolist(), rows, read, window, None)


@pytest.mark.parametrize("most", [700, 5000, 20_000])
def test_whole_texts_fill_the_limit(most):
    found, lengths = texts_and_lengths()
    some, of_some = limit_tokens(found, lengths, most)
    chosen = [int(text.split()[1]) for text in some.texts]
    assert chosen == sorted(set(chosen))
    assert of_some.read_per_text == [lengths.read_per_text[i] for i in chosen]
    assert of_some.per_text == [lengths.per_text[i] for i in chosen]
    assert of_some.n_rows == [n - 1 for n in of_some.read_per_text]
    # One more text of the greatest length might no longer fit.
    assert most - 256 < of_some.n_read <= most
    assert (some.origin, some.n_empty, of_some.window) == ("a file", 3, 256)
    assert limit_tokens(found, lengths, most) == (some, of_some)


def test_texts_come_from_everywhere():
    found, lengths = texts_and_lengths()
    some, _ = limit_tokens(found, lengths, lengths.n_read // 4)
    chosen = np.array([int(text.split()[1]) for text in some.texts])
    counts, _ = np.histogram(chosen, bins=4, range=(0, len(LENGTHS)))
    assert counts.min() > 4


def test_what_is_within_the_limit_is_unchanged():
    found, lengths = texts_and_lengths()
    assert limit_tokens(found, lengths, lengths.n_read) == (found, lengths)
    assert len(limit_tokens(found, lengths, lengths.n_read - 1)[0].texts) < len(found.texts)


def test_too_few_texts_are_refused():
    found, lengths = texts_and_lengths()
    with pytest.raises(ValueError, match=r"--max-tokens=700 leaves \d of 200 texts, but 20 are"):
        limit_tokens(found, lengths, 700, fewest=20)
