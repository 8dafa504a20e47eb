"""A path is drawn with a label of alpha at each point."""

import numpy as np
import pytest

from skdict.inspection import AlphaPathDisplay
from tests.inspection.displays.drawn import texts


def test_alpha_path(acts, path):
    display = AlphaPathDisplay.from_path(path, acts, name="tied")
    (line,) = display.ax_.lines
    measures = path.measure(acts)
    assert np.array_equal(line.get_xdata(), measures["l0"])
    assert np.array_equal(line.get_ydata(), measures["fvu"])
    assert {"0.05", "0.2", "0.4", "tied"} <= set(texts(display.ax_))
    again = AlphaPathDisplay.from_path(path, acts, name="other", ax=display.ax_, xscale="linear")
    assert again.ax_ is display.ax_
    AlphaPathDisplay([0.1, 0.2], [9, 4], [0.2, 7.0]).plot(display.ax_)
    assert display.ax_.get_ylim()[0] == 0
    assert display.ax_.get_ylim()[1] > 7
    first, second, _ = again.ax_.lines
    assert first.get_color() != second.get_color()
    with pytest.raises(ValueError, match="xscale='cubic'"):
        display.plot(xscale="cubic")


def test_alpha_path_leaves_out_what_has_no_place_on_a_log_axis():
    display = AlphaPathDisplay([0.1, 1.0, 9.0], l0=[5, 2, 0], fvu=[0.1, 0.4, 1.0]).plot()
    assert len(display.ax_.lines[0].get_xdata()) == 2
    assert len(display.plot(xscale="linear").ax_.lines[0].get_xdata()) == 3
