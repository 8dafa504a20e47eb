"""The direct path between two dictionaries through the residual stream of a model."""

from typing import NamedTuple

import torch

from skdict.interventions._frozen_dictionary import check_width, frozen_dictionary
from skdict.interventions._hook_pairs import check_fits, encoded_name, split_pair
from skdict.interventions._text_batches import text_batches
from skdict.models import (
    HookPoint,
    as_rows,
    capture,
    evaluation_mode,
    find_hook_point,
    loaded_model,
    loaded_pair,
    norm_before,
    residual_stream_width,
    verify_found,
)


class Means(NamedTuple):
    """Means over tokens of 1 / r, of the codes c of the lower dictionary and of c / r.

    Parameters
    ----------
    scale : float, default=1.0
        Mean of 1 / r, where r is the root mean square that the norm divides by.
    codes : torch.Tensor of shape (m,), dtype float64, optional
        Mean codes.
    scaled : torch.Tensor of shape (1, m) or (n_features, m), dtype float64, optional
        Mean of c / r: over all tokens, or over those at which each upper feature fires.
    n_tokens : int, optional
        Number of tokens.
    """

    scale: float = 1.0
    codes: torch.Tensor | None = None
    scaled: torch.Tensor | None = None
    n_tokens: int | None = None


class StreamPath:
    """Hook points of an upper and a lower dictionary, and the norm between them.

    Parameters
    ----------
    model : str, path, Module or (Module, tokenizer)
        Model of both; reading texts needs the tokenizer.
    dictionaries : (estimator, estimator)
        Upper and lower dictionary.
    hook_points : (hook point, hook point)
        See `virtual_weights`.
    needs_tokenizer : bool
        If True, raise TypeError for a model without a tokenizer.

    Attributes
    ----------
    upper : str
        Hook point at which the upper dictionary reads.
    width : int
        Width of the residual stream.
    norm : StreamNorm or None
        Norm between the residual stream and that hook point.
    """

    def __init__(self, model, dictionaries, hook_points, *, needs_tokenizer):
        loaded = loaded_pair(model) if needs_tokenizer else (loaded_model(model), None)
        self.model, self.tokenizer = loaded
        if not isinstance(hook_points, (tuple, list)) or len(hook_points) != 2:
            raise TypeError(
                f"hook_points={hook_points!r} is not accepted: pass the hook point of the upper "
                f"dictionary and that of the lower one, such as ('mlp_in.2', 'resid_post.0')"
            )
        for dictionary, hook_point in zip(dictionaries, hook_points, strict=True):
            check_fits(dictionary, hook_point)
            _check_read_once(hook_point)
        self.upper, self._encoded = map(encoded_name, hook_points)
        self._lower, (_, written) = hook_points[1], split_pair(hook_points[1])
        self.width = residual_stream_width(self.model, self.upper, written)
        verify_found(self.model, [self._encoded])
        self.norm = norm_before(self.model, self.upper)

    @torch.no_grad()
    def means(self, lower, texts, *, rms, fires, **options):
        """Return the `Means` over the tokens that `text_batches` keeps.

        Parameters
        ----------
        lower : estimator
            Lower dictionary.
        texts : list of str
            Texts to run.
        rms : float or None
            Value of r at all tokens; None for that of each token.
        fires : callable or None
            Function from rows that the upper dictionary reads to flags (n_tokens, n_features) of
            the features that fire, to average c / r over the tokens at which each does.
        **options
            Options of `text_batches`.
        """
        frozen = frozen_dictionary(lower, self.model, self._lower)
        points = {self._encoded: find_hook_point(self.model, self._encoded)}
        if fires is not None:
            points[self.upper] = find_hook_point(self.model, self.upper)
        if self.norm is not None:
            points |= {side: HookPoint(self.norm.module, side) for side in ("input", "output")}
        sums, n_tokens = [0.0] * 4, 0
        for batch in text_batches(self.model, self.tokenizer, texts, **options):
            rows = self._rows(batch, points)
            x = rows[self._encoded]
            check_width(self._encoded, x.shape[1], frozen)
            codes = frozen.encode(x.to(frozen.components)).double()
            scales = self._scales(rows, rms, codes)
            given = torch.ones(len(codes), 1) if fires is None else fires(rows[self.upper])
            given = given.to(codes)
            parts = scales.sum(), codes.sum(0), given.T @ (scales[:, None] * codes), given.sum(0)
            sums = [total + part.cpu() for total, part in zip(sums, parts, strict=True)]
            n_tokens += len(codes)
        scale, codes, scaled, counts = sums
        scaled = scaled / counts[:, None]
        return Means(float(scale / n_tokens), codes / n_tokens, scaled, n_tokens)

    def _rows(self, batch, points):
        """Return the rows of the kept tokens of a batch by hook point."""
        with evaluation_mode(self.model), capture(points) as values:
            batch.run(self.model)
        shape = batch.ids.shape
        return {name: as_rows(values[name], shape, name)[batch.kept] for name in points}

    def _scales(self, rows, rms, codes):
        """Return 1 / r of tokens."""
        if self.norm is None or rms is not None:
            return torch.full_like(codes[:, 0], 1 / (rms or 1))
        return self.norm.scales(rows["input"], rows["output"]).to(codes)


def _check_read_once(hook_point):
    sources, _ = split_pair(hook_point)
    if len(sources) > 1:
        raise ValueError(
            f"hook_point={hook_point!r} reads several hook points, between which there is no "
            f"single path; pass dictionaries that read one hook point"
        )
