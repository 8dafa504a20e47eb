"""Strategies of a study: the interfaces of explainers, simulators and judges."""

from skdict.interpretation.strategies._client_strategy import ClientStrategy
from skdict.interpretation.strategies._kinds import check_strategy, writes_free_text
