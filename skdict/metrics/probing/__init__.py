"""Probes that read labels from a few features: labels, samples, fits and the public scorer."""
