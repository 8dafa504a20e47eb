"""Activation patching: which features carry a task."""
