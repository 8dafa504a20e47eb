"""Evaluate a dictionary inside a running model.

Floor 6: imports `interventions` and what is below it.
"""

from skdict.evaluation._loss_recovered import loss_recovered

__all__ = ["loss_recovered"]
