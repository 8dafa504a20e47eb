"""Planted truth for blocks: features of both blocks, rotated between them, and of one only."""

from typing import NamedTuple

import numpy as np


class Planted(NamedTuple):
    X: np.ndarray
    blocks: list
    directions: np.ndarray
    kinds: np.ndarray


def plant(n_rows=8000, width=24, n_each=8, l0=2, *, units=(1.0, 30.0), seed=0):
    """Return rows of two blocks in very different units, and the directions they are made of.

    Kinds are "shared" (one direction in both blocks), "rotated" (another in each), "first" and
    "second" (of one block only), `n_each` of each.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((2, 4 * n_each, width))
    drawn /= np.linalg.norm(drawn, axis=2, keepdims=True)
    kinds = np.repeat(["shared", "rotated", "first", "second"], n_each)
    first = drawn[0] * (kinds != "second")[:, None]
    second = np.where((kinds == "shared")[:, None], drawn[0], drawn[1])
    second = second * (kinds != "first")[:, None] * rng.uniform(0.5, 1.5, (len(kinds), 1))
    directions = np.hstack([first * units[0], second * units[1]])
    fires = rng.random((n_rows, len(kinds))) < l0 / len(kinds)
    rows = fires * rng.uniform(0.5, 1.5, fires.shape) @ directions
    noise = 0.01 * rng.standard_normal(rows.shape) * np.repeat(units, width)
    X = rows + noise
    return Planted(X, [width, width], directions, kinds)


def true_shares(planted, scale):
    """Return the shares of planted features in each block, after scaling."""
    first, second = np.split(planted.directions, [planted.blocks[0]], axis=1)
    norms = np.stack([np.linalg.norm(part, axis=1) for part in (first, second)], axis=1) / scale
    return norms / np.linalg.norm(norms, axis=1, keepdims=True)


def matches(sae, planted):
    """Return the best feature for each planted one, and its cosine after scaling of columns."""
    columns = np.repeat(sae.scale_, sae.blocks_)
    learned, truth = sae.components_ / columns, planted.directions / columns
    learned = learned / np.linalg.norm(learned, axis=1, keepdims=True)
    truth = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    cosines = truth @ learned.T
    return cosines.argmax(axis=1), cosines.max(axis=1)
