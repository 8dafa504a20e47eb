"""Estimate how long a model takes to read texts, and show its progress."""

import time
import warnings
from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from skdict.exceptions import OutlierWarning

PROBE_TOKENS, PROBE_PASSES = 512, 2


class TokenBar:
    """Progress bar over tokens, in place of the token counts of a reading.

    Parameters
    ----------
    n_tokens : int
        Number of tokens to read.
    hidden : bool
        If True, show nothing.
    """

    def __init__(self, n_tokens, hidden):
        self._bar = tqdm(total=n_tokens, unit="token", unit_scale=True, leave=False, disable=hidden)

    def add(self, lengths):
        """Count one forward pass over texts, given their numbers of tokens."""
        self._bar.update(int(lengths.sum()))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()


def read_with_bar(extractor, texts, n_tokens, *, hidden):
    """Return the activations of texts, with a progress bar.

    Parameters
    ----------
    extractor : ActivationExtractor
        Extractor to read with.
    texts : list of str
        Texts to read.
    n_tokens : int
        Number of tokens that the model reads.
    hidden : bool
        If True, show no bar.

    Returns
    -------
    Activations of shape (n_rows, width)
        One row for each token.
    """
    reading = extractor._reading()
    with TokenBar(n_tokens, hidden) as bar:
        reading.token_counts = bar
        return reading.run(texts)[extractor.hook_point]


def try_reading(extractor, texts, lengths):
    """Return the speed of a model and the width of its rows, from a short forward pass.

    Parameters
    ----------
    extractor : ActivationExtractor
        Extractor that will read the texts.
    texts : list of str
        Texts to read.
    lengths : TextLengths
        Their lengths.

    Returns
    -------
    tokens_per_second : float
        Speed of the fastest of a few passes over the same texts, after a first pass that
        initialises the model.
    width : int
        Number of columns of the activations.
    """
    per_text = np.array(lengths.read_per_text)
    longest = np.argsort(-per_text, kind="stable")
    n_texts = 1 + int(np.searchsorted(per_text[longest].cumsum(), PROBE_TOKENS))
    probe = [texts[i] for i in longest[:n_texts]]
    reading = replace(extractor._reading(), long_texts="truncate")
    with warnings.catch_warnings():
        # Too few rows to recognise outliers.
        warnings.simplefilter("ignore", OutlierWarning)
        reading.run(probe)
        return max(_time(reading, probe) for _ in range(PROBE_PASSES))


def _time(reading, texts):
    """Return the tokens per second of one reading, and the width of the rows."""
    start, before = time.perf_counter(), reading.token_counts.n_tokens
    (rows,) = reading.run(texts).values()
    n_tokens = reading.token_counts.n_tokens - before
    return n_tokens / (time.perf_counter() - start), rows.shape[1]
