"""Maps keep together what points alike."""

import numpy as np
import pytest

from skdict.inspection import FeatureMapDisplay
from tests.inspection.displays.drawn import texts


def test_feature_map_keeps_clusters_together():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 8), 20, axis=0)
    atoms = centres + 0.05 * rng.standard_normal(centres.shape)
    display = FeatureMapDisplay.from_directions(atoms, perplexity=8)
    group = np.repeat(np.arange(3), 20)
    means = np.array([display.positions[group == g].mean(axis=0) for g in range(3)])
    distances = np.linalg.norm(display.positions[:, None] - means, axis=2)
    assert np.array_equal(distances.argmin(axis=1), group)
    again = FeatureMapDisplay.from_directions(atoms, perplexity=8)
    assert np.array_equal(again.positions, display.positions)
    values = np.arange(60.0)
    display.plot(values=values, label="density", names={0: "$first$"}, log=True)
    assert {r"\$first\$", "density"} <= set(texts(display.ax_))
    grey, coloured = display.ax_.collections
    assert (len(grey.get_offsets()), len(coloured.get_offsets())) == (1, 59)
    with pytest.raises(ValueError, match="one value for each of the 60"):
        display.plot(values=[1.0])


def test_feature_map_of_a_dictionary(path):
    display = FeatureMapDisplay.from_estimator(path[0])
    assert display.positions.shape == (16, 2)
    with pytest.raises(ValueError, match="a map of 3 features"):
        FeatureMapDisplay.from_directions(np.eye(3))
