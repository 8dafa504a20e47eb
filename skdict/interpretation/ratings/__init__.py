"""Ratings of features by people: blinded rating sheets and pages, reading them, and agreement."""

from skdict.interpretation.ratings._agreement import agreement_with_scores, krippendorff_alpha
from skdict.interpretation.ratings._ratings import Ratings
from skdict.interpretation.ratings._read_ratings import read_ratings
from skdict.interpretation.ratings._write_rating_sheet import write_rating_sheet

__all__ = ["agreement_with_scores", "krippendorff_alpha", "read_ratings", "write_rating_sheet"]
