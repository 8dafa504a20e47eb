"""Evaluate a dictionary inside a running model, or on labelled rows of it.

Floor 6: imports `interventions` and what is below it. `parts` holds the parts of
`evaluate_dictionary`.
"""

from skdict.evaluation._absorption import Absorption
from skdict.evaluation._evaluate_dictionary import evaluate_dictionary
from skdict.evaluation._evaluation import Evaluation
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._probe_perturbation import ProbePerturbation

__all__ = ["Absorption", "ProbePerturbation", "evaluate_dictionary", "loss_recovered"]
