"""Warnings that skdict raises."""

__all__ = ["DeadFeaturesWarning"]


class DeadFeaturesWarning(UserWarning):
    """Many features of a fitted dictionary never fire."""
