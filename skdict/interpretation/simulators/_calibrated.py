"""Predictions brought to the scale of the codes."""

import numpy as np
from sklearn.base import BaseEstimator, clone

from skdict._llm import Failure, check_parts
from skdict._validation import check_choice


class CalibratedSimulator(BaseEstimator):
    r"""Map what a simulator predicts to the scale of the codes, feature by feature.

    The map is fitted on windows that are neither explained nor scored. "linear" is least squares,
    :math:`\hat c = a + b s`; it leaves the absolute correlation as it is. "quantile" takes
    quantiles of predictions to quantiles of codes; it leaves ranks as they are. Correlation needs
    no calibration; explained square and deviation (`Simulation`) do.

    Parameters
    ----------
    simulator : simulator
        Such as `LLMSimulator`.
    method : {"linear", "quantile"}, default="linear"
        The kind of map.

    Attributes
    ----------
    maps_ : list of callable or Failure
        From predictions to codes, one for each feature.
    """

    def __init__(self, simulator, *, method="linear"):
        self.simulator = simulator
        self.method = method

    @property
    def control(self):
        """Whether explanations exchanged between features are simulated, too."""
        return self.simulator.control

    def check(self):
        """Check parameters and simulator, before any work begins.

        Raises
        ------
        TypeError, ValueError, ImportError, ClientError
            If the method is unknown, or as the simulator raises them.
        """
        check_choice("method", self.method, ("linear", "quantile"))
        check_parts(self.simulator)

    def fit(self, explanations, records, vocabulary):
        """Fit the maps.

        Parameters
        ----------
        explanations : list of Explanation or None
            One for each feature.
        records : list of (list of Record)
            The windows of each feature, with their codes.
        vocabulary : sequence of str
            Readable piece of each token id.

        Returns
        -------
        CalibratedSimulator
            The simulator itself.

        Raises
        ------
        ValueError
            If `method` is none of the two.
        """
        self.check()
        make = linear_map if self.method == "linear" else quantile_map
        self.simulator_ = clone(self.simulator, safe=False)
        self.maps_ = []
        predicted = self.simulator_.simulate(explanations, records, vocabulary)
        for own, found in zip(records, predicted, strict=True):
            if isinstance(found, Failure) or not own:
                missing = Failure("simulate", "there is no window to calibrate on")
                self.maps_.append(found if isinstance(found, Failure) else missing)
                continue
            codes = np.concatenate([record.codes for record in own])
            self.maps_.append(make(np.concatenate(found), codes))
        return self

    def simulate(self, explanations, records, vocabulary):
        """Predict the codes of features in some windows, on the scale of the codes.

        Parameters
        ----------
        explanations : list of Explanation or None
            One for each feature, in the order of `fit`.
        records : list of (list of Record)
            The windows of each feature.
        vocabulary : sequence of str
            Readable piece of each token id.

        Returns
        -------
        list of (list of ndarray) or Failure
            As from the simulator.
        """
        found = self.simulator_.simulate(explanations, records, vocabulary)
        return [
            failure(own, to_codes) or [to_codes(levels) for levels in own]
            for own, to_codes in zip(found, self.maps_, strict=True)
        ]


def failure(*things):
    """Return the first failure among some things, or None."""
    return next((thing for thing in things if isinstance(thing, Failure)), None)


def linear_map(predictions, codes):
    """Return the least-squares line from predictions to codes."""
    predictions, codes = (np.asarray(v, dtype=np.float64) for v in (predictions, codes))
    centred = predictions - predictions.mean()
    variance = centred @ centred
    slope = centred @ codes / variance if variance > 0 else 0.0
    offset = codes.mean() - slope * predictions.mean()
    return _Map("linear", np.array([offset, slope]))


def quantile_map(predictions, codes):
    """Return the increasing map that takes predictions' quantiles to those of the codes."""
    order = np.sort(np.asarray(predictions, dtype=np.float64))
    levels, at, n = np.unique(order, return_inverse=True, return_counts=True)
    means = np.bincount(at, weights=np.sort(np.asarray(codes, dtype=np.float64))) / n
    return _Map("quantile", np.array([levels, means]))


class _Map:
    """A fitted map, as plain arrays that can be pickled."""

    def __init__(self, method, values):
        self.method, self.values = method, values

    def __call__(self, predictions):
        if self.method == "linear":
            return self.values[0] + self.values[1] * np.asarray(predictions)
        return np.interp(predictions, self.values[0], self.values[1])
