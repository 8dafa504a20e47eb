"""Warnings that skdict raises."""

__all__ = ["DeadFeaturesWarning", "OutlierWarning"]


class DeadFeaturesWarning(UserWarning):
    """Many features of a fitted dictionary never fire."""


class OutlierWarning(UserWarning):
    """Few dimensions, positions or rows of activations would swamp all others."""
