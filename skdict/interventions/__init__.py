"""Edits inside a running model, and what they do to its output.

Floor 4: imports `feature_extraction`, `decomposition`, `models` and what is below them.
"""

from skdict.interventions._edits import Ablate, Patch, Project, Reconstruct, Steer
from skdict.interventions._intervene import intervene

__all__ = ["Ablate", "Patch", "Project", "Reconstruct", "Steer", "intervene"]
