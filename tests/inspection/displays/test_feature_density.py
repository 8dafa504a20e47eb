"""Densities are those of counting, and say what is dead and what is dense."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict.inspection import FeatureDensityDisplay, FeatureStatistics
from tests.inspection.displays.drawn import heights, texts


def test_density(acts, path):
    display = FeatureDensityDisplay.from_estimator(path[1], acts)
    codes = path[1].transform(acts)
    assert np.allclose(display.density, (codes != 0).mean(axis=0))
    assert heights(display.ax_).sum() == np.count_nonzero(display.density)
    assert display.ax_.get_xscale() == "log"
    assert any("SparseDictionaryAutoencoder: 16 features" in t for t in texts(display.ax_))
    statistics = FeatureStatistics().fit(codes, acts)
    same = FeatureDensityDisplay.from_statistics(statistics, name="sae")
    assert np.allclose(same.density, display.density)
    assert same.plot(display.ax_, alpha=0.5).ax_ is display.ax_


def test_density_counts_those_that_never_and_those_that_always_fire():
    codes = scipy.sparse.csr_array([[0, 1.0, 1.0], [0, 0, 1.0], [0, 0, 1.0]])
    display = FeatureDensityDisplay.from_codes(codes).plot()
    assert heights(display.ax_).sum() == 2
    assert "3 features, 1 dead" in texts(display.ax_)
    assert "2 above 0.1" in texts(display.ax_)
    assert FeatureDensityDisplay.from_codes(np.zeros((3, 2))).plot().figure_


def test_density_of_a_pipeline_and_of_no_dictionary(acts):
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(np.asarray(acts))
    assert FeatureDensityDisplay.from_estimator(pipeline, acts).name == "PCA"
    with pytest.raises(TypeError, match="a dictionary is a fitted estimator"):
        FeatureDensityDisplay.from_estimator(StandardScaler(), acts)
