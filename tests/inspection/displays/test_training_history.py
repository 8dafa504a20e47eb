"""Histories are drawn as they were recorded."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict import SparseDictionaryAutoencoder
from skdict.inspection import TrainingHistoryDisplay


def test_training_history(acts):
    sae = SparseDictionaryAutoencoder(16, max_iter=2, random_state=0).fit(acts)
    display = TrainingHistoryDisplay.from_estimator(sae, measures=("loss", "l0"))
    assert len(display.axes_) == 2
    drawn = display.axes_[1].lines[0]
    assert drawn.get_xdata().tolist() == [entry["step"] for entry in sae.history_]
    assert drawn.get_ydata().tolist() == [entry["l0"] for entry in sae.history_]
    with pytest.raises(ValueError, match=r"pass at least one of 'loss'.*'n_dead'"):
        display.plot(measures=["speed"])
    with pytest.raises(TypeError, match="PCA has no history_"):
        TrainingHistoryDisplay.from_estimator(PCA(2).fit(np.asarray(acts)))
