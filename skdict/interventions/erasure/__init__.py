"""Concept erasure: edit activations so that probes can no longer detect a concept."""
