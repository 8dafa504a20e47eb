"""Explain features in words and score the explanations, with or without a language model.

Floor 6: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer's ``explain(codes, tokens)`` returns an `Explanation` for each feature: a sentence and
the weighted terms that predict the feature's codes from text. A free-text explanation has no
terms; a simulator predicts codes from it with ``simulate(explanation, records, vocabulary)``. A
judge decides with ``judge(explanation, windows)`` in which windows the feature fires. `Study` runs
the whole procedure.
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
