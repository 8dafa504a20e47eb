"""Codes beside what was predicted of them, and how well."""

from dataclasses import dataclass

import numpy as np

# Variance below this share of the mean square is none.
NO_VARIANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Simulation:
    """The codes of a feature in some windows, and what a simulator predicted there.

    Parameters
    ----------
    records : list of Record
        The windows.
    predictions : list of ndarray
        Predictions in each, on a scale from 0 to 10 unless they are calibrated.
    """

    records: list
    predictions: list

    def scores(self):
        r"""Return the scores of Bills et al. (2023), over the tokens of all windows together.

        With codes c and predictions s: `correlation`, Pearson's; `explained_square`,
        :math:`1 - \sum (c - s)^2 / \sum c^2`, not centred, so that predicting 0 scores 0;
        `explained_deviation`, :math:`1 - \sum |c - s| / \sum |c|`. The last two mean something
        only once predictions are calibrated.

        Returns
        -------
        dict of str to float
            nan where undefined.
        """
        codes = np.concatenate([record.codes for record in self.records]).astype(np.float64)
        predictions = np.concatenate(self.predictions).astype(np.float64)
        off = codes - predictions
        return {
            "correlation": correlation(codes, predictions),
            "explained_square": _explained(np.square(off), np.square(codes)),
            "explained_deviation": _explained(np.abs(off), np.abs(codes)),
        }


def correlation(codes, predictions):
    """Return Pearson's correlation, nan where either side is constant."""
    sides = [np.asarray(side, dtype=np.float64) for side in (codes, predictions)]
    centred = [side - side.mean() for side in sides]
    variances = [side @ side for side in centred]
    if any(v <= NO_VARIANCE * (s @ s) for v, s in zip(variances, sides, strict=True)):
        return np.nan
    return float(centred[0] @ centred[1] / np.sqrt(variances[0] * variances[1]))


def _explained(lost, total):
    return float(1 - lost.sum() / total.sum()) if total.sum() > 0 else np.nan
