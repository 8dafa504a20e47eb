"""Selection of the tokens that an intervention edits."""

import numpy as np
import torch


class EditedPositions:
    """Selection of the tokens to edit in each forward pass.

    Padding has position -1 and is never edited.

    Parameters
    ----------
    positions : None, sequence of int or array of bool
        Tokens to edit, see `intervene`.
    """

    def __init__(self, positions):
        self.positions = _check_positions(positions)
        self._n_columns, self._met = 0, torch.empty(0, dtype=torch.long)

    def of(self, standing):
        """Return flags of shape (n_texts, n_tokens) for a forward pass with `TokenPositions`."""
        at, start = standing.positions, standing.start
        self._n_columns = max(self._n_columns, start + at.shape[1])
        if self.positions is None:
            return at > 0
        if self.positions.dtype != torch.bool:
            chosen = torch.isin(at, self.positions.to(at.device))
            self._met = torch.cat([self._met, at[chosen].unique().cpu()]).unique()
            return chosen
        if len(self.positions) not in (1, len(at)):
            raise ValueError(
                f"positions has flags for {len(self.positions)} texts but the model runs on "
                f"{len(at)}; pass one row of flags for each text"
            )
        part = self.positions[:, start : start + at.shape[1]].to(at.device)
        flags = torch.zeros_like(at, dtype=torch.bool)
        flags[:, : part.shape[1]] = part
        return flags & (at >= 0)

    def check_all_met(self):
        """Raise ValueError if no text had one of the positions while the block ran."""
        if self.positions is None or not self._n_columns:
            return
        if self.positions.dtype == torch.bool:
            outside = self.positions.any(dim=0).nonzero()[:, 0]
            outside = outside[outside >= self._n_columns]
        else:
            outside = self.positions[~torch.isin(self.positions, self._met)]
        if len(outside):
            raise ValueError(
                f"positions contains {outside[:5].tolist()}, but no text that ran inside the block "
                f"has a token there; remove these positions or run longer texts"
            )


def _check_positions(positions):
    """Return positions as None, a tensor of ints or a two-dimensional tensor of flags."""
    if positions is None:
        return None
    array = np.asarray(positions.cpu() if torch.is_tensor(positions) else positions)
    if array.dtype == bool and array.ndim == 2:
        return torch.from_numpy(array)
    array = np.atleast_1d(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu") or (array < 0).any():
        raise ValueError(
            f"positions={positions!r} is not accepted: pass None, whole numbers from 0, or boolean "
            f"flags of shape (n_texts, n_columns)"
        )
    return torch.from_numpy(array.astype(np.int64))
