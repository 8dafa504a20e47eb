"""Explaining features in words, and scoring what was said, with a language model or without.

Floor 6: imports `inspection`, `metrics`, `decomposition`, `activations` and `models`.

An explainer has the method ``explain(codes, tokens)`` and gives an `Explanation` of each feature: a
sentence, and the weighted terms by which it predicts codes from text. A sentence in free words has
no terms; then a simulator, ``simulate(explanation, records, vocabulary)``, predicts. A judge,
``judge(explanation, windows)``, says of windows whether the feature fires in them. `Study` puts
them together.
"""

from skdict._llm import (
    ClientError,
    Completion,
    ManagedClient,
    OpenAIClient,
    Request,
    TransformersClient,
)
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
    Term,
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
    ask_judge,
    judgment_measures,
)
from skdict.interpretation.ratings._agreement import (
    agreement_with_scores,
    krippendorff_alpha,
    weighted_kappa,
)
from skdict.interpretation.ratings._page import write_rating_page
from skdict.interpretation.ratings._ratings import Ratings
from skdict.interpretation.ratings._read_ratings import read_ratings
from skdict.interpretation.ratings._write_rating_sheet import write_rating_sheet
from skdict.interpretation.simulators import LLMSimulator, Simulation
from skdict.models import reinitialize_model

__all__ = [
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
