"""Explaining features in words, and scoring what was said, with a language model or without.

Floor 4: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer has one method, ``explain(codes, tokens)``, and gives an `Explanation` for each
feature: a sentence, and the weighted terms by which it predicts codes from text. A sentence in
free words has none; then a simulator, ``simulate(explanations, records, vocabulary)``, predicts.
Both ask a client, ``complete(request)``.
"""

from skdict.interpretation._agreement import (
    agreement_with_scores,
    krippendorff_alpha,
    weighted_kappa,
)
from skdict.interpretation._calibration import CalibratedSimulator
from skdict.interpretation._client import ClientError, Completion, Failure, Request
from skdict.interpretation._client_managed import ManagedClient
from skdict.interpretation._client_openai import OpenAIClient
from skdict.interpretation._client_transformers import TransformersClient
from skdict.interpretation._context import ContextExplainer
from skdict.interpretation._controls import reinitialize_model
from skdict.interpretation._explanation import Explanation, Simulator
from skdict.interpretation._feature_interpreter import FeatureInterpreter
from skdict.interpretation._judge_scorers import DetectionScorer, FuzzingScorer, IntruderScorer
from skdict.interpretation._judges import EmbeddingJudge, RecordedJudge, SimulatorJudge
from skdict.interpretation._judging import Window, ask_judge, judgment_measures
from skdict.interpretation._lexicon import LexiconExplainer
from skdict.interpretation._llm_explainer import LLMExplainer
from skdict.interpretation._llm_judge import LLMJudge
from skdict.interpretation._llm_simulator import LLMSimulator
from skdict.interpretation._ngram import NGramExplainer
from skdict.interpretation._presets import cunningham2023, delphi
from skdict.interpretation._ratings import Ratings, read_ratings, write_rating_sheet
from skdict.interpretation._scorer import InterpretabilityScorer
from skdict.interpretation._simulation import Simulation
from skdict.interpretation._terms import Term

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
    "write_rating_sheet",
]
