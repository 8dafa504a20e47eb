"""Explaining features in words, and scoring what was said, with a language model or without.

Floor 6: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer has the method ``explain(codes, tokens)`` and gives an `Explanation` of each feature: a
sentence, and the weighted terms by which it predicts codes from text. A sentence in free words has
no terms; then a simulator, ``simulate(explanation, records, vocabulary)``, predicts. A judge,
``judge(explanation, windows)``, says of windows whether the feature fires in them. `Study` puts
them together.
"""

from skdict.interpretation._attempts import Failure
from skdict.interpretation._feature_interpreter import FeatureInterpreter
from skdict.interpretation._protocols import cunningham2023, delphi
from skdict.interpretation._scorers import InterpretabilityScorer
from skdict.interpretation.explainers import (
    ContextExplainer,
    Explanation,
    LexiconExplainer,
    LLMExplainer,
    NGramExplainer,
)
from skdict.interpretation.judges import (
    DetectionScorer,
    EmbeddingJudge,
    FuzzingScorer,
    IntruderScorer,
    LLMJudge,
    RecordedJudge,
    SimulatorJudge,
    Window,
)
from skdict.interpretation.simulators import LLMSimulator, Simulation
from skdict.models import reinitialize_model

__all__ = [
    "ContextExplainer",
    "DetectionScorer",
    "EmbeddingJudge",
    "Explanation",
    "FeatureInterpreter",
    "FuzzingScorer",
    "InterpretabilityScorer",
    "IntruderScorer",
    "LLMExplainer",
    "LLMJudge",
    "LLMSimulator",
    "LexiconExplainer",
    "NGramExplainer",
    "RecordedJudge",
    "SimulatorJudge",
    "Window",
    "cunningham2023",
    "delphi",
    "reinitialize_model",
]
