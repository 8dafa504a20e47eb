"""Ratings of features by people."""
