"""Explainers: from codes and tokens to explanations."""
