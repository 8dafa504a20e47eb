"""Concept erasure: edit activations so that probes no longer find a concept."""
