"""Edits inside a running model, and what they do to its output.

Floor 4: imports `feature_extraction`, `decomposition`, `models` and what is below them.
"""

from skdict.interventions._attribution import patching_effects
from skdict.interventions._circuits import find_circuit
from skdict.interventions._edits import Ablate, Project, Reconstruct, Steer
from skdict.interventions._effects_table import OutputEffects
from skdict.interventions._erase import Erase
from skdict.interventions._erasure_report import erasure_report
from skdict.interventions._feature_eraser import FeatureEraser
from skdict.interventions._intervene import intervene
from skdict.interventions._leace import LEACE
from skdict.interventions._loss_recovered import loss_recovered
from skdict.interventions._output_effects import output_effects
from skdict.interventions._patch import Patch
from skdict.interventions._patching_curve import patching_curve

__all__ = [
    "LEACE",
    "Ablate",
    "Erase",
    "FeatureEraser",
    "OutputEffects",
    "Patch",
    "Project",
    "Reconstruct",
    "Steer",
    "erasure_report",
    "find_circuit",
    "intervene",
    "loss_recovered",
    "output_effects",
    "patching_curve",
    "patching_effects",
]
