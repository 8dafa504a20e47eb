"""Explainers, which write explanations from the codes of features or from windows of text."""

from skdict.interpretation.explainers._context import ContextExplainer
from skdict.interpretation.explainers._explanation import Explanation
from skdict.interpretation.explainers._lexicon import LexiconExplainer
from skdict.interpretation.explainers._llm_explainer import LLMExplainer
from skdict.interpretation.explainers._ngram import NGramExplainer
from skdict.interpretation.explainers._terms import Term
