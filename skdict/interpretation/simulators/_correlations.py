"""Correlations between codes and predictions: the results of testing explanations."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Correlations:
    """Correlations between codes and their predictions.

    Parameters
    ----------
    score, lexicon, shuffled : ndarray of float, shape (n_features,)
        Correlations achieved by the explanation, by single tokens, and by the explanation of
        another feature.
    enough : ndarray of bool, shape (n_features,)
        True for features whose codes in the test data are not constant.
    simulations : dict of int to Simulation
        Codes and predictions in windows, by index of the feature.
    maps : dict of int to callable
        Calibration maps by index of the feature; empty without calibration.
    """

    score: np.ndarray
    lexicon: np.ndarray
    shuffled: np.ndarray
    enough: np.ndarray
    simulations: dict = field(default_factory=dict)
    maps: dict = field(default_factory=dict)
