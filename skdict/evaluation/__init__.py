"""Evaluate a dictionary inside a running model.

Floor 6: imports `interventions` and what is below it.
"""

from skdict.evaluation._check_on_model import check_on_model
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._model_check import ModelCheck
from skdict.evaluation._saebench import to_saebench

__all__ = ["ModelCheck", "check_on_model", "loss_recovered", "to_saebench"]
