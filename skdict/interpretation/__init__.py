"""Explaining features in words, and scoring what was said, with a language model or without.

Floor 4: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer has one method, ``explain(codes, tokens)``, and gives an `Explanation` for each
feature: a sentence, and the weighted terms by which it predicts codes from text. A sentence in
free words has none; then a simulator, ``simulate(explanations, records, vocabulary)``, predicts.
Both ask a client, ``complete(request)``.
"""

from skdict._llm import (
    ClientError,
    Completion,
    Failure,
    ManagedClient,
    OpenAIClient,
    Request,
    TransformersClient,
)
from skdict.interpretation._feature_interpreter import FeatureInterpreter
from skdict.interpretation._protocols import cunningham2023, delphi
from skdict.interpretation._scorers import InterpretabilityScorer
from skdict.interpretation.explainers._context import ContextExplainer
from skdict.interpretation.explainers._explanation import Explanation, Simulator
from skdict.interpretation.explainers._lexicon import LexiconExplainer
from skdict.interpretation.explainers._llm_explainer import LLMExplainer
from skdict.interpretation.explainers._ngram import NGramExplainer
from skdict.interpretation.explainers._terms import Term
from skdict.interpretation.judges._judges import EmbeddingJudge, RecordedJudge, SimulatorJudge
from skdict.interpretation.judges._judging import Window, ask_judge, judgment_measures
from skdict.interpretation.judges._llm_judge import LLMJudge
from skdict.interpretation.judges._scorers import DetectionScorer, FuzzingScorer, IntruderScorer
from skdict.interpretation.ratings._agreement import (
    agreement_with_scores,
    krippendorff_alpha,
    weighted_kappa,
)
from skdict.interpretation.ratings._page import write_rating_page
from skdict.interpretation.ratings._ratings import Ratings
from skdict.interpretation.ratings._read_ratings import read_ratings
from skdict.interpretation.ratings._write_rating_sheet import write_rating_sheet
from skdict.interpretation.simulators._calibrated import CalibratedSimulator
from skdict.interpretation.simulators._llm_simulator import LLMSimulator
from skdict.interpretation.simulators._simulation import Simulation
from skdict.models import reinitialize_model

__all__ = [
    "CalibratedSimulator",
    "ClientError",
    "Completion",
    "ContextExplainer",
    "DetectionScorer",
    "EmbeddingJudge",
    "Explanation",
    "Failure",
    "FeatureInterpreter",
    "FuzzingScorer",
    "InterpretabilityScorer",
    "IntruderScorer",
    "LLMExplainer",
    "LLMJudge",
    "LLMSimulator",
    "LexiconExplainer",
    "ManagedClient",
    "NGramExplainer",
    "OpenAIClient",
    "Ratings",
    "RecordedJudge",
    "Request",
    "Simulation",
    "Simulator",
    "SimulatorJudge",
    "Term",
    "TransformersClient",
    "Window",
    "agreement_with_scores",
    "ask_judge",
    "cunningham2023",
    "delphi",
    "judgment_measures",
    "krippendorff_alpha",
    "read_ratings",
    "reinitialize_model",
    "weighted_kappa",
    "write_rating_page",
    "write_rating_sheet",
]
