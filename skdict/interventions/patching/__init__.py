"""Activation patching: find which features carry a behaviour."""
