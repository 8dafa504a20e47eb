"""How well explanations predict codes: by rules on every token, or by a simulator in windows."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Correlations:
    """Correlations of codes with what is predicted of them.

    Parameters
    ----------
    score, lexicon, shuffled : ndarray of float, shape (n_features,)
        Of the explanation, of the tokens alone, and of another feature's explanation.
    enough : ndarray of bool, shape (n_features,)
        Where the codes tested on vary.
    simulations : dict of int to Simulation
        Codes and predictions in windows, by place.
    maps : dict of int to callable
        From predictions to codes, by place, where predictions are calibrated.
    """

    score: np.ndarray
    lexicon: np.ndarray
    shuffled: np.ndarray
    enough: np.ndarray
    simulations: dict = field(default_factory=dict)
    maps: dict = field(default_factory=dict)
