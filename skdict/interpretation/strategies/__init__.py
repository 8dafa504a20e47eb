"""Strategies of a study: what makes an object an explainer, a simulator or a judge."""

from skdict.interpretation.strategies._client_strategy import ClientStrategy
from skdict.interpretation.strategies._kinds import check_strategy, writes_free_words
