"""Every display draws on the axes it was given, and names the extra it needs."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skdict.inspection import (
    AlphaPathDisplay,
    DictionarySimilarityDisplay,
    FeatureDensityDisplay,
    FeatureMapDisplay,
    InputHistogramDisplay,
    InterpretabilityDisplay,
    PatchingCurveDisplay,
    TrainingHistoryDisplay,
)
from tests.inspection.displays.drawn import curve, tables


@pytest.mark.parametrize(
    "display",
    [
        FeatureDensityDisplay(np.array([0.1, 0.5]), 10),
        AlphaPathDisplay([0.1], [3.0], [0.2]),
        InputHistogramDisplay([0, 1], [[1], [2]], ["a"], 0),
        InterpretabilityDisplay.from_comparison(tables(sae=0.5)),
        PatchingCurveDisplay.from_curves(curve(1.0)),
        DictionarySimilarityDisplay(["a", "b"], np.eye(2)),
        FeatureMapDisplay(np.eye(2)),
        TrainingHistoryDisplay([{"step": 1, "fvu": 0.5, "l0": 3.0, "n_dead": 0}]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_axes_are_kept_and_the_extra_is_named(display, monkeypatch, tmp_path):
    _, (left, right) = plt.subplots(1, 2)
    assert display.plot(right) is display
    assert display.ax_ is right
    assert display.figure_ is right.figure
    assert not left.has_data()
    display.plot().figure_.savefig(tmp_path / "new.png")
    assert display.ax_ is not right
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{type(display).__name__}.*skdict\[plot\]"):
        display.plot()
