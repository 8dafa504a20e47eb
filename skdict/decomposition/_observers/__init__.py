"""Observers of a `Fit`: each does one thing, at the points of training that the fit announces."""
