"""Activation patching: find the features that carry a behaviour."""
