"""Bars hold every firing of a feature."""

import numpy as np
import pytest

from skdict.inspection import InputHistogramDisplay
from skdict.metrics import firing_density
from tests.inspection.displays.drawn import heights, texts


@pytest.mark.parametrize("stat", ["count", "share"])
def test_input_histogram(acts, path, stat):
    codes = path[0].transform(acts)
    feature = int(np.argmax(firing_density(codes)))
    display = InputHistogramDisplay.from_estimator(path[0], acts, feature, n_tokens=3, stat=stat)
    n_fired = (codes[:, [feature]] > 0).sum()
    total = n_fired if stat == "count" else np.count_nonzero(display.counts.sum(axis=0))
    assert heights(display.ax_).sum() == pytest.approx(total)
    assert "other tokens" in texts(display.ax_)
    assert f"Feature {feature}: tokens it fires on" in texts(display.ax_)


def test_input_histogram_of_what_never_fires(acts):
    with pytest.raises(ValueError, match="feature 0 never fires"):
        InputHistogramDisplay.from_codes(np.zeros((600, 1)), acts, 0)
