"""Simulators: what explanations predict, by their rules or by a language model, and how well."""

from skdict.interpretation.simulators._llm_simulator import LLMSimulator
from skdict.interpretation.simulators._rule_test import RuleTest
from skdict.interpretation.simulators._simulation import Simulation
from skdict.interpretation.simulators._simulator_test import SimulatorTest
