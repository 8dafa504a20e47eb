"""Judges: verdicts on windows of text, and scores made of them."""
