"""Codes with their predictions, and scores of the predictions."""

from dataclasses import dataclass

import numpy as np

from skdict.metrics import pearson


@dataclass(frozen=True, eq=False)
class Simulation:
    """Codes of a feature in some windows, with the predictions of a simulator.

    Parameters
    ----------
    records : list of Record
        Windows with the codes of the feature.
    predictions : list of ndarray
        Predictions in each window, on a scale from 0 to 10 unless they are calibrated.
    """

    records: list
    predictions: list

    def scores(self):
        r"""Return the scores of Bills et al. (2023), pooled over the tokens of all windows.

        With codes c and predictions s: `correlation` is the Pearson correlation;
        `explained_square` is :math:`1 - \sum (c - s)^2 / \sum c^2`, not centred, so that
        predicting 0 everywhere scores 0; `explained_deviation` is
        :math:`1 - \sum |c - s| / \sum |c|`. The last two are meaningful only for calibrated
        predictions.

        Returns
        -------
        dict of str to float
            Scores by name; nan if undefined.
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
