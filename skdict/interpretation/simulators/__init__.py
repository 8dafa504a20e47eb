"""Simulators, which predict codes from explanations, and tests of their predictions."""

from skdict.interpretation.simulators._llm_simulator import LLMSimulator
from skdict.interpretation.simulators._rule_test import RuleTest
from skdict.interpretation.simulators._simulation import Simulation
from skdict.interpretation.simulators._simulator_test import SimulatorTest
