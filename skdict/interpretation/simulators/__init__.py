"""Simulators: from explanations to predicted codes."""
