"""Erasing a concept inside a running model."""

import torch


class Erase:
    """Rewrite activations by a fitted eraser, on the host.

    For `intervene`, with ``dictionary=None``.

    Parameters
    ----------
    eraser : estimator
        Fitted: `LEACE`, `FeatureEraser`, or any transformer whose rows are as wide as those it is
        given.

    Examples
    --------
    >>> from skdict.interventions import LEACE, Erase
    >>> Erase(LEACE())
    Erase(LEACE())
    """

    _needs_codes = False

    def __init__(self, eraser):
        if not hasattr(eraser, "transform"):
            raise TypeError(
                f"eraser={eraser!r} has no transform; pass LEACE, FeatureEraser or another "
                f"transformer of rows"
            )
        self.eraser = eraser

    def __repr__(self):
        return f"Erase({self.eraser!r})"

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
