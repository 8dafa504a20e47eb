"""Scores are drawn by layer and method, with their intervals."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict.inspection import InterpretabilityDisplay
from skdict.metrics import compare_dictionaries
from tests.inspection.displays.drawn import tables, texts


def test_interpretability_by_layer():
    layers = {"layer 1": tables(sae=0.5, pca=0.2), "layer 2": tables(sae=0.6)}
    display = InterpretabilityDisplay.from_comparison(layers).plot()
    assert display.methods == ["sae", "pca"]
    assert np.isnan(display.values[1, 1])
    drawn = [container[0].get_ydata() for container in display.ax_.containers]
    assert drawn[0].tolist() == [0.5, 0.6]
    (bars,) = display.ax_.containers[0][2]
    assert np.allclose(bars.get_segments()[0][:, 1], [0.4, 0.7])
    assert {"sae", "pca", "layer 1", "layer 2"} <= set(texts(display.ax_))
    one = InterpretabilityDisplay.from_comparison(tables(sae=0.5, pca=0.2)).plot()
    assert [t.get_text() for t in one.ax_.get_xticklabels()] == ["sae", "pca"]


def test_interpretability_of_real_tables(acts):
    methods = {"pca": PCA(4), "two": PCA(2)}
    table = compare_dictionaries(methods, np.asarray(acts), np.asarray(acts), n_active=[1, 2])
    display = InterpretabilityDisplay.from_comparison(table, measure="fvu").plot()
    assert display.methods[:2] == ["pca, 1 active", "pca, 2 active"]
    with pytest.raises(ValueError, match=r"no table has a column 'interpretability'.*fvu"):
        InterpretabilityDisplay.from_comparison(table)
    with pytest.raises(TypeError, match="tables is list"):
        InterpretabilityDisplay.from_comparison([table])
