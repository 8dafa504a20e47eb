"""The commands of `python -m skdict`, one module each.

Floor 7: imports anything.
"""
