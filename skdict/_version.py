"""The version of skdict."""

__version__ = "0.2.0"
