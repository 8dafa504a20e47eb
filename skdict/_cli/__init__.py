"""The commands of `python -m skdict`, one module each.

Floor 5: imports anything.
"""
