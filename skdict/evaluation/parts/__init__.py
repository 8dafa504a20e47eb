"""Parts of an evaluation: what they read, what they measure, and the files of their results."""

from skdict.evaluation.parts._about import PARTS, about
from skdict.evaluation.parts._kept_results import as_json
from skdict.evaluation.parts._measure_parts import measure_parts
from skdict.evaluation.parts._parts import make_parts
from skdict.evaluation.parts._sources import read_texts_once

__all__ = [
    "PARTS",
    "about",
    "as_json",
    "make_parts",
    "measure_parts",
    "read_texts_once",
]
