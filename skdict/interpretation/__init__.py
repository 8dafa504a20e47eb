"""Explaining features in words, and scoring what was said: no language model needed.

Floor 4: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer has one method, ``explain(codes, tokens)``, and gives an `Explanation` for each
feature: a sentence, and the weighted terms by which it predicts codes from text.
"""

from skdict.interpretation._agreement import (
    agreement_with_scores,
    krippendorff_alpha,
    weighted_kappa,
)
from skdict.interpretation._context import ContextExplainer
from skdict.interpretation._controls import reinitialize_model
from skdict.interpretation._explanation import Explanation, Simulator
from skdict.interpretation._feature_interpreter import FeatureInterpreter
from skdict.interpretation._judge_scorers import DetectionScorer, FuzzingScorer, IntruderScorer
from skdict.interpretation._judges import EmbeddingJudge, RecordedJudge, SimulatorJudge
from skdict.interpretation._judging import Window, ask_judge, judgment_measures
from skdict.interpretation._lexicon import LexiconExplainer
from skdict.interpretation._ngram import NGramExplainer
from skdict.interpretation._ratings import Ratings, read_ratings, write_rating_sheet
from skdict.interpretation._scorer import InterpretabilityScorer
from skdict.interpretation._terms import Term

__all__ = [
    "ContextExplainer",
    "DetectionScorer",
    "EmbeddingJudge",
    "Explanation",
    "FeatureInterpreter",
    "FuzzingScorer",
    "InterpretabilityScorer",
    "IntruderScorer",
    "LexiconExplainer",
    "NGramExplainer",
    "Ratings",
    "RecordedJudge",
    "Simulator",
    "SimulatorJudge",
    "Term",
    "Window",
    "agreement_with_scores",
    "ask_judge",
    "judgment_measures",
    "krippendorff_alpha",
    "read_ratings",
    "reinitialize_model",
    "weighted_kappa",
    "write_rating_sheet",
]
