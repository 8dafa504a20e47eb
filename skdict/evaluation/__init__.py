"""Evaluate a dictionary inside a running model, or on labelled rows of it.

Floor 6: imports `interventions` and what is below it. `parts` holds the parts of
`evaluate_dictionary`.
"""

from skdict.evaluation._absorption import Absorption
from skdict.evaluation._check_on_model import check_on_model
from skdict.evaluation._evaluate_dictionary import evaluate_dictionary
from skdict.evaluation._evaluation import Evaluation
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._model_check import ModelCheck
from skdict.evaluation._probe_perturbation import ProbePerturbation
from skdict.evaluation._saebench import to_saebench

__all__ = [
    "Absorption",
    "ProbePerturbation",
    "check_on_model",
    "evaluate_dictionary",
    "loss_recovered",
    "to_saebench",
]
