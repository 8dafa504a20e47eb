"""Planted truth for transcoders: y = relu(x W + b) D + x A, with rows of full-rank dense spread."""

from typing import NamedTuple

import numpy as np


class Planted(NamedTuple):
    X: np.ndarray
    Y: np.ndarray
    encoder: np.ndarray
    decoder: np.ndarray
    skip: np.ndarray
    codes: np.ndarray


def plant(n_rows, n_features, d_in, d_out, l0, *, gain=3, skip=True, dtype=np.float32):
    """Return rows, targets and what they were made from; each feature fires on l0 / m of rows.

    Rows are normal in all dimensions, so that sparse codes cannot reconstruct them.
    """
    rng = np.random.default_rng(0)
    encoder, decoder = unit(rng, n_features, d_in), unit(rng, n_features, d_out)
    A = 0.5 * rng.standard_normal((d_in, d_out)) / np.sqrt(d_in) * skip
    X = rng.standard_normal((n_rows, d_in))
    pre = X @ encoder.T
    codes = np.maximum(pre - np.quantile(pre, 1 - l0 / n_features, axis=0), 0)
    Y = gain * codes @ decoder + X @ A
    return Planted(X.astype(dtype), Y.astype(dtype), encoder, decoder, A, codes)


def unit(rng, m, d):
    directions = rng.standard_normal((m, d))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def recovered(transcoder, planted):
    """Return the share of planted features of which one feature has both directions."""
    encoder = transcoder.encoder_ / np.linalg.norm(transcoder.encoder_, axis=1, keepdims=True)
    cosines = planted.encoder @ encoder.T, planted.decoder @ transcoder.components_.T
    return (np.minimum(*cosines).max(axis=1) >= 0.9).mean()


def skip_error(transcoder, planted):
    """Return the relative error of the skip connection."""
    return np.linalg.norm(transcoder.skip_ - planted.skip) / np.linalg.norm(planted.skip)
