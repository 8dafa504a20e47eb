"""Evaluate a dictionary inside a running model, or on labelled rows of it.

Floor 6: imports `interventions` and what is below it.
"""

from skdict.evaluation._absorption import Absorption
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._probe_perturbation import ProbePerturbation

__all__ = ["Absorption", "ProbePerturbation", "loss_recovered"]
