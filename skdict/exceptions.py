"""Warnings issued by skdict."""

__all__ = ["DeadFeaturesWarning", "OutlierWarning"]


class DeadFeaturesWarning(UserWarning):
    """Many features of a fitted dictionary never fire."""


class OutlierWarning(UserWarning):
    """A few dimensions, positions or rows of the activations dominate all others."""
