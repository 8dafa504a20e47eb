"""Edit that replaces codes with those of another run."""

import numpy as np
import torch

from skdict.decomposition import is_transcoder
from skdict.interventions._codes_to_activations import through_codes
from skdict.interventions._frozen_dictionary import check_features


class Patch:
    """Replace the codes of features with their codes in another run.

    Parameters
    ----------
    activations : torch.Tensor or array-like of shape (n_texts, n_tokens, width)
        Activations at the hook point in the other run, padding included, as read by
        `skdict.models.capture`; for a transcoder, at the hook point that it reads. Their codes
        replace those of this run column by column; later columns of this run are left unchanged. A
        single text, of shape (1, n_tokens, width) or (n_tokens, width), is patched into every text
        of this run.
    features : int, sequence of int or None, default=None
        Features to patch. None patches all features.

    Raises
    ------
    ValueError
        If `activations` is neither two- nor three-dimensional.

    Notes
    -----
    With ``error="keep"``, this run keeps its own reconstruction error. With ``error="target"``, it
    takes that of the other run, so that patching all features reproduces the activations of the
    other run bit for bit. A transcoder accepts only "keep" and "drop", because the activations that
    it predicts in the other run are not given.

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
                f"activations has shape {shape}; pass activations of another run, of shape "
                f"(n_texts, n_tokens, width) or (n_tokens, width)"
            )
        self.activations, self.features = activations, features

    def __repr__(self):
        shape = tuple(np.shape(self.activations))
        return f"Patch(activations of shape {shape}, {self.features!r})"

    def _bind(self, dictionary, error):
        if error == "target" and is_transcoder(dictionary):
            raise ValueError(
                "error='target' needs the activations that the transcoder predicts in the other "
                "run, but Patch has only those that it reads; use error='keep' or 'drop'"
            )
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
                    f"error='target' needs the other run at every position, but it covers "
                    f"{other.rows.shape[1]} of {start + n_tokens}; use texts of equal length"
                )
            return None

        return through_codes(dictionary, change, error=error, target=target)


class _OtherRun:
    """Activations of another run and their codes, read column by column.

    Parameters
    ----------
    activations : array-like of shape (n_texts, n_tokens, width) or (n_tokens, width)
        Activations at the hook point.
    dictionary : AffineDictionary, HostDictionary, AffineTranscoder or HostTranscoder
        Frozen dictionary.
    """

    def __init__(self, activations, dictionary):
        rows = torch.as_tensor(activations).detach().to(dictionary.offset)
        self.rows = rows if rows.ndim == 3 else rows[None]
        if self.rows.shape[-1] != dictionary.n_inputs:
            raise ValueError(
                f"the activations to patch in have width {self.rows.shape[-1]} but the dictionary "
                f"expects {dictionary.n_inputs}; read them at the hook point that it encodes"
            )
        self.codes = dictionary.encode(self.rows)

    def columns(self, n_texts, n_tokens, start, values):
        """Return how many columns of a pass this run covers, and its rows or codes there."""
        if len(values) not in (1, n_texts):
            raise ValueError(
                f"the activations to patch in come from {len(values)} texts but the model runs on "
                f"{n_texts}; pass one text, or one for each text of the run"
            )
        part = values[:, start : start + n_tokens]
        return part.shape[1], part.expand(n_texts, -1, -1)
