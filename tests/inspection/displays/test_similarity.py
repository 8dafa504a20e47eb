"""Similarities of dictionaries are drawn beside those of chance."""

import numpy as np
import pytest

from skdict.inspection import DictionarySimilarityDisplay
from skdict.metrics import max_cosine_similarity
from tests.inspection.displays.drawn import texts


def test_similarity():
    rng = np.random.default_rng(0)
    small = rng.standard_normal((10, 8))
    large = np.concatenate([small, rng.standard_normal((20, 8))])
    sets = {"small": small, "large": large, "other": rng.standard_normal((10, 8))}
    display = DictionarySimilarityDisplay.from_estimators(sets).plot()
    assert display.values[0, 1] == pytest.approx(1)
    assert display.values[1, 0] < 0.95
    assert display.random[0, 1] < 0.95
    assert np.array_equal(display.ax_.images[0].get_array(), display.values)
    assert f"{display.values[1, 0]:.2f}\n({display.random[1, 0]:.2f})" in texts(display.ax_)
    shared = DictionarySimilarityDisplay.from_estimators(sets, measure="shared")
    assert shared.values[1, 0] == pytest.approx(1 / 3)
    assert shared.plot(colorbar=False).figure_.axes == [shared.ax_]
    matched = DictionarySimilarityDisplay.from_estimators(sets, measure="matched")
    np.testing.assert_array_equal(matched.values, matched.values.T)
    np.testing.assert_array_equal(np.diag(matched.values), 1)
    assert matched.values[0, 1] == pytest.approx(1)
    expected = max_cosine_similarity(large, sets["other"], one_to_one=True).mean()
    assert matched.values[1, 2] == pytest.approx(expected)
    assert matched.plot().random is None
    with pytest.raises(ValueError, match="at least two"):
        DictionarySimilarityDisplay.from_estimators({"small": small})
    with pytest.raises(TypeError, match="pass a dict"):
        DictionarySimilarityDisplay.from_estimators([small, large])
