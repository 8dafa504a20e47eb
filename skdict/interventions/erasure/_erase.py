"""Edit that erases a concept inside a running model."""

import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skdict._validation import is_fitted


class Erase:
    """Rewrite activations with a fitted eraser, on the CPU.

    Parameters
    ----------
    eraser : transformer
        Fitted transformer that keeps the shape of the rows.
    """

    _needs_codes = False

    def __init__(self, eraser):
        self.eraser = eraser

    def __repr__(self):
        return repr(self.eraser)

    def _bind(self, dictionary, error):
        if error != "keep":
            raise ValueError(
                f"error={error!r} applies to edits of codes but {self!r} edits activations; use "
                f"error='keep'"
            )
        if isinstance(self.eraser, BaseEstimator) and not is_fitted(self.eraser):
            raise NotFittedError(
                f"{self!r} is not fitted, so it cannot edit activations; fit it on activations "
                f"from the hook point first"
            )

        def rewrite(x, y, edited, start):
            rows = y[edited].detach().cpu()
            rows = rows if rows.dtype == torch.float64 else rows.float()
            erased = torch.as_tensor(self.eraser.transform(rows.numpy()))
            if erased.shape != rows.shape or not erased.isfinite().all():
                raise ValueError(
                    f"{self.eraser!r} returned rows of shape {tuple(erased.shape)} for "
                    f"{tuple(rows.shape)}, or values that are not finite; pass an eraser that "
                    f"returns finite rows of the same shape"
                )
            new = y.clone()
            new[edited] = erased.to(y)
            return new

        return rewrite
