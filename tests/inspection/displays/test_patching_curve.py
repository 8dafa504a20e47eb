"""Curves are drawn as they were measured."""

import numpy as np
import pytest

from skdict.inspection import PatchingCurveDisplay
from tests.inspection.displays.drawn import curve, texts


@pytest.mark.parametrize("x", ["n_patched", "edit_magnitude", "relative_edit_magnitude"])
@pytest.mark.parametrize("y", ["kl", "reverse_kl", "logit_diff"])
def test_patching_curves(x, y):
    display = PatchingCurveDisplay.from_curves({"sae": curve(2.0), "pca": curve(3.0)})
    ax = display.plot(x=x, y=y).ax_
    assert np.array_equal(ax.lines[1].get_ydata(), curve(3.0)[y])
    assert np.array_equal(ax.lines[1].get_xdata(), curve(3.0)[x])
    assert {"sae", "pca"} <= set(texts(ax))


def test_one_curve_and_no_curve():
    display = PatchingCurveDisplay.from_curves(curve(1.0)).plot()
    assert display.ax_.get_legend() is None
    with pytest.raises(ValueError, match="y='loss'"):
        display.plot(y="loss")
    with pytest.raises(TypeError, match="not a patching curve: 'sae'"):
        PatchingCurveDisplay.from_curves({"sae": {"kl": [1.0]}})
