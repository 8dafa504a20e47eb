"""Giving features the codes that they have in another run."""

import numpy as np
import torch

from skdict.interventions._codes_to_activations import through_codes
from skdict.interventions._frozen_dictionary import check_features


class Patch:
    """Give features the codes that they have in another run.

    Parameters
    ----------
    activations : torch.Tensor or array-like of shape (n_texts, n_tokens, width)
        What went through the hook point in the other run, padding included: `capture` of
        `skdict.models` reads it. Column for column it takes the place of this run's; what
        this run has beyond it is left alone. One text, of shape (1, n_tokens, width) or
        (n_tokens, width), serves all texts of this run.
    features : int, sequence of int or None, default=None
        Which; None means all.

    Notes
    -----
    With ``error="keep"`` this run keeps its reconstruction error, and with ``error="target"``
    it takes the other run's: then all features together give the other run's activations, bit
    for bit.

    Examples
    --------
    >>> import torch
    >>> from skdict.interventions import Patch
    >>> Patch(torch.zeros(2, 5, 8), [4])
    Patch(activations of shape (2, 5, 8), [4])
    """

    def __init__(self, activations, features=None):
        shape = np.shape(activations)
        if len(shape) not in (2, 3):
            raise ValueError(
                f"activations has shape {shape}; pass (n_texts, n_tokens, width) of another run"
            )
        self.activations, self.features = activations, features

    def __repr__(self):
        shape = tuple(np.shape(self.activations))
        return f"Patch(activations of shape {shape}, {self.features!r})"

    def _bind(self, dictionary, error):
        features = check_features(self.features, dictionary)
        other = _OtherRun(self.activations, dictionary)

        def change(new, start):
            n, codes = other.columns(*new.shape[:2], start, other.codes)
            new[:, :n, features] = codes[..., features]
            return new

        def target(n_texts, n_tokens, start):
            n, rows = other.columns(n_texts, n_tokens, start, other.rows)
            if n == n_tokens:
                return rows, other.columns(n_texts, n_tokens, start, other.codes)[1]
            if n:
                raise ValueError(
                    f"error='target' needs the other run at every position, and it has "
                    f"{other.rows.shape[1]} of {start + n_tokens}; run on texts of equal length"
                )
            return None

        return through_codes(dictionary, change, error=error, target=target)


class _OtherRun:
    """Activations of another run and their codes, column by column.

    Parameters
    ----------
    activations : array-like of shape (n_texts, n_tokens, width) or (n_tokens, width)
        Read at the hook point.
    dictionary : AffineDictionary or HostDictionary
        Frozen.
    """

    def __init__(self, activations, dictionary):
        rows = torch.as_tensor(activations).detach().to(dictionary.offset)
        self.rows = rows if rows.ndim == 3 else rows[None]
        if self.rows.shape[-1] != len(dictionary.offset):
            raise ValueError(
                f"activations to patch in have width {self.rows.shape[-1]}, and the dictionary "
                f"{len(dictionary.offset)}; read them at the hook point of the intervention"
            )
        self.codes = dictionary.encode(self.rows)

    def columns(self, n_texts, n_tokens, start, values):
        """Return how many columns of a pass this run has, and their rows or codes."""
        if len(values) not in (1, n_texts):
            raise ValueError(
                f"activations to patch in are of {len(values)} texts, and the model runs on "
                f"{n_texts}; pass one text, or as many"
            )
        part = values[:, start : start + n_tokens]
        return part.shape[1], part.expand(n_texts, -1, -1)
