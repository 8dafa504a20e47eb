"""Edit a running model and measure what changes in its output.

Floor 5: imports `metrics`, `feature_extraction`, `decomposition`, `models` and what is below
them. Names outside `__all__` are used by other parts of skdict.
"""

from skdict.interventions._circuits import find_circuit
from skdict.interventions._edits import Ablate, Project, Reconstruct, Replace, Steer
from skdict.interventions._frozen_dictionary import frozen_dictionary
from skdict.interventions._hook_pairs import find_pair, split_pair
from skdict.interventions._intervene import intervene
from skdict.interventions._measure_edits import mean_row, measure_edits
from skdict.interventions._patch import Patch
from skdict.interventions._text_batches import text_batches
from skdict.interventions._virtual_weights import virtual_weights
from skdict.interventions.erasure._erasure_report import erasure_report
from skdict.interventions.erasure._feature_eraser import FeatureEraser
from skdict.interventions.erasure._leace import LEACE
from skdict.interventions.outputs._effects_table import OutputEffects
from skdict.interventions.outputs._output_effects import output_effects
from skdict.interventions.patching._attribution import patching_effects
from skdict.interventions.patching._patching_curve import patching_curve

__all__ = [
    "LEACE",
    "Ablate",
    "FeatureEraser",
    "Patch",
    "Project",
    "Reconstruct",
    "Steer",
    "erasure_report",
    "find_circuit",
    "intervene",
    "output_effects",
    "patching_curve",
    "patching_effects",
    "virtual_weights",
]
