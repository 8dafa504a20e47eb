"""Codes beside what was predicted of them, and how well."""

from dataclasses import dataclass

import numpy as np

from skdict.metrics import pearson


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
            "correlation": pearson(codes, predictions),
            "explained_square": _explained(np.square(off), np.square(codes)),
            "explained_deviation": _explained(np.abs(off), np.abs(codes)),
        }


def _explained(lost, total):
    return float(1 - lost.sum() / total.sum()) if total.sum() > 0 else np.nan
