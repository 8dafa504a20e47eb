"""Published known answers of SAEBench 0.6.0, and both values where its formula is wrong."""

import numpy as np
import pytest

from skdict.evaluation._loss_recovered import _recovered
from skdict.evaluation._perturbation_scores import scr_of, tpp_of
from skdict.metrics import fvu, reconstruction_bias

ROWS = np.array(
    [[3, 1, 0], [1, 2, 0], [4, 0, 1], [2, 2, 2], [5, 1, 1], [3, 0, 2], [2, 3, 1], [4, 1, 3.0]]
)
REBUILT = np.array(
    [[3, 1, 1], [1, 1, 0], [3, 0, 1], [2, 2, 1], [4, 1, 1], [3, 1, 2], [2, 2, 1], [4, 2, 3.0]]
)


def explained_variance(X, X_hat):
    """Return SAEBench's `explained_variance`, which takes the mean of squares for the mean."""
    total = np.square(X).sum(axis=1).mean() - np.square(X).mean() ** 2
    return 1 - np.square(X - X_hat).sum(axis=1).mean() / total


def explained_variance_legacy(X, X_hat):
    """Return SAEBench's `explained_variance_legacy`, the mean of the ratios of rows."""
    residuals, deviations = (np.square(X - other).sum(axis=1) for other in (X_hat, X.mean(axis=0)))
    return np.mean(1 - residuals / deviations)


@pytest.mark.parametrize(("scale", "theirs"), [(0.1, 0.934353), (1, 1.089330), (3, 1.004449)])
def test_explained_variance_depends_on_the_unit_there_and_not_here(scale, theirs):
    X, X_hat = scale * ROWS, scale * REBUILT
    assert explained_variance(X, X_hat) == pytest.approx(theirs, abs=1e-6)
    assert explained_variance_legacy(X, X_hat) == pytest.approx(0.646494, abs=1e-6)
    assert 1 - fvu(X, X_hat) == pytest.approx(19 / 27)


def test_the_mean_explains_nothing_here_and_much_there():
    mean = np.tile(ROWS.mean(axis=0), (len(ROWS), 1))
    assert 1 - fvu(ROWS, mean) == pytest.approx(0)
    assert explained_variance(ROWS / 10, mean / 10) == pytest.approx(0.778442, abs=1e-6)


def test_the_mean_hides_shrinkage_there_and_not_here():
    mean = ROWS.mean(axis=0)
    shrunk = mean + 0.8 * (ROWS - mean)
    theirs = np.square(shrunk).sum() / (ROWS * shrunk).sum()
    assert theirs == pytest.approx(0.963575, abs=1e-6)
    assert reconstruction_bias(ROWS, shrunk) == pytest.approx(0.8)


def test_the_loss_recovered_of_the_published_losses():
    losses = {"": 4.6936, "zero": 13.077, "sae": 4.7141}
    # Published as 0.99755 for a Gated dictionary of Pythia-70M, layer 3.
    assert _recovered(losses, "sae", "zero") == pytest.approx(0.99755, abs=1e-5)


def test_tpp_is_the_intended_minus_the_unintended_drop():
    intended, unintended, clean = 0.1602, 0.0133, 0.9
    ablated = clean - np.where(np.eye(5, dtype=bool), intended, unintended)
    accuracies = np.concatenate([np.full((1, 5), clean), ablated])
    # Published for the ten strongest features of a TopK dictionary of Pythia-70M, layer 4.
    assert tpp_of(accuracies) == pytest.approx([0.1469])


def test_scr_is_the_repaired_share_and_undefined_without_damage():
    biased, unbiased = 0.7, 0.95
    after = biased + 0.7571 * (unbiased - biased)
    accuracies = np.array([[biased, unbiased], [after, np.nan], [unbiased, np.nan]])
    assert scr_of(accuracies) == pytest.approx([0.7571, 1])
    # SAEBench returns 0 here, which reads as "nothing repaired".
    assert np.isnan(scr_of(np.array([[0.9, 0.9005], [0.95, np.nan]]))).all()
