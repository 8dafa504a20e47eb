"""Judges, which give verdicts on windows of text, and scorers based on the verdicts."""

from skdict.interpretation.judges._embedding_judge import EmbeddingJudge
from skdict.interpretation.judges._llm_judge import LLMJudge
from skdict.interpretation.judges._measures import judgment_measures
from skdict.interpretation.judges._recorded_judge import RecordedJudge
from skdict.interpretation.judges._scorers import DetectionScorer, FuzzingScorer, IntruderScorer
from skdict.interpretation.judges._simulator_judge import SimulatorJudge
from skdict.interpretation.judges._verdicts import ask_judge
from skdict.interpretation.judges._window import Window
