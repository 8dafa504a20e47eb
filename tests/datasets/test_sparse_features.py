"""Planted rows are what the parameters say."""

import numpy as np
import pytest

from skdict.datasets import make_sparse_features


def test_rows_are_codes_times_directions():
    data = make_sparse_features(500, n_features=20, n_components=50, random_state=0)
    np.testing.assert_allclose(data.X, data.codes @ data.components, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(data.components, axis=1), 1, rtol=1e-6)
    assert data.X.dtype == np.float32
    assert data.codes.data.min() > 0
    assert data.codes.data.max() <= 1


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize(("n_components", "n_active", "decay"), [(64, 5, 0.99), (64, 2.5, 1.0)])
def test_the_mean_number_of_active_features_is_what_was_asked(
    n_components, n_active, decay, correlated
):
    data = make_sparse_features(
        20_000,
        n_components=n_components,
        n_active=n_active,
        decay=decay,
        correlated=correlated,
        random_state=0,
    )
    assert data.codes.nnz / 20_000 == pytest.approx(n_active, rel=0.05)
    density = np.bincount(data.codes.indices, minlength=n_components) / 20_000
    spread = np.sqrt(data.firing_probabilities / 20_000)
    assert (np.abs(density - data.firing_probabilities) < 5 * spread).all()


def test_correlated_features_fire_together():
    def largest_correlation(correlated):
        data = make_sparse_features(
            20_000, n_components=20, n_active=5, decay=1.0, correlated=correlated, random_state=0
        )
        fired = (data.codes.toarray() > 0).astype(float)
        return np.abs(np.corrcoef(fired.T) - np.eye(20)).max()

    assert largest_correlation(False) < 0.04
    assert largest_correlation(True) > 0.08


def test_noise_and_seed():
    clean, noisy, again = (
        make_sparse_features(5000, noise=noise, random_state=0) for noise in (0, 0.1, 0.1)
    )
    assert (noisy.X - clean.X).std() == pytest.approx(0.1, rel=0.01)
    np.testing.assert_array_equal(noisy.X, again.X)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples=0"),
        ({"n_active": 0}, ValueError, "n_active=0 .* > 0"),
        ({"decay": 1.5}, ValueError, "decay=1.5"),
        ({"noise": -1}, ValueError, "noise=-1"),
        ({"correlated": 1}, TypeError, "True or False"),
        ({"n_active": 100, "decay": 0.9}, ValueError, "firing probability of 10.00; lower n_act"),
    ],
)
def test_bad_parameters(options, error, message):
    with pytest.raises(error, match=message):
        make_sparse_features(**options)
