"""Ratings of features by people: blinded sheets and pages, reading them, and agreement.

Floor 6, as all of `interpretation`.
"""
