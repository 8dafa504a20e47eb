"""Erasing a concept from activations."""
