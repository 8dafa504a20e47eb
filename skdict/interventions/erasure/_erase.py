"""Erasing a concept inside a running model."""

import torch


class Erase:
    """Rewrite activations by a fitted eraser, on the host.

    Parameters
    ----------
    eraser : transformer
        Fitted; its rows are as wide as those it is given.
    """

    _needs_codes = False

    def __init__(self, eraser):
        self.eraser = eraser

    def __repr__(self):
        return repr(self.eraser)

    def _bind(self, dictionary, error):
        if error != "keep":
            raise ValueError(f"error={error!r} is of codes, and {self!r} edits none; use 'keep'")

        def rewrite(x, edited, start):
            rows = x[edited].detach().cpu()
            rows = rows if rows.dtype == torch.float64 else rows.float()
            erased = torch.as_tensor(self.eraser.transform(rows.numpy()))
            if erased.shape != rows.shape or not erased.isfinite().all():
                raise ValueError(
                    f"{self.eraser!r} gave rows of shape {tuple(erased.shape)} for "
                    f"{tuple(rows.shape)}, or NaN; pass one that keeps their width"
                )
            new = x.clone()
            new[edited] = erased.to(x)
            return new

        return rewrite
