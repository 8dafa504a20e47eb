"""Planted rows are what the parameters say."""

import hashlib
import platform

import numpy as np
import pytest

from skdict.datasets import make_sparse_features

# Of X, the components and the codes of the first release of the generator.
FIRST_DIGESTS = [
    ({}, "4feafc0de9ce98cb"),
    ({"n_active": 2.5, "decay": 1.0}, "5138e7e1774e6143"),
    ({"noise": 0.1}, "d160f922f244ea95"),
    ({"correlated": True}, "f0ec8ef07f3ddb60"),
    ({"correlated": True, "noise": 0.5, "decay": 0.95, "n_active": 4}, "e35d1bad1b82681e"),
    ({"n_samples": 40_000, "n_components": 200, "n_features": 8, "noise": 0.1}, "2ae8f07f451a3a7e"),
]


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="digests recorded on x86-64; fused multiply-adds elsewhere round X differently",
)
@pytest.mark.parametrize(("options", "expected"), FIRST_DIGESTS)
def test_options_left_alone_change_no_bit(options, expected):
    shape = {"n_samples": 300, "n_features": 12, "n_components": 40}
    data = make_sparse_features(**{**shape, **options}, random_state=3)
    digest = hashlib.sha256()
    codes = (data.codes.indices.astype(np.int32), data.codes.indptr.astype(np.int32))
    for part in (data.X, data.components, *codes, data.codes.data):
        digest.update(part.tobytes())
    assert digest.hexdigest()[:16] == expected


def test_options_left_alone_plant_nothing():
    data = make_sparse_features(50, n_features=20, n_components=30, random_state=0)
    np.testing.assert_array_equal(data.parents, np.full(30, -1))
    np.testing.assert_array_equal(data.groups, np.full(30, -1))
    assert data.outlier_rows.shape == data.outlier_dimensions.shape == (0,)
    assert data.outlier_row_values.shape == (0, 20)
    assert data.outlier_dimension_values.shape == (50, 0)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zipf_shift": 2.0}, "zipf_shift=2.0 has no effect with zipf_exponent=None"),
        ({"zipf_exponent": 1.0, "decay": 0.9}, "decay=0.9 has no effect with zipf_exponent=1.0"),
        ({"children_per_parent": 3}, "no effect with n_parents=0: .* or change n_parents"),
        ({"child_probability": 0.5}, "child_probability=0.5 has no effect with n_parents=0"),
        ({"exclusive_children": True}, "exclusive_children=True has no effect with n_parents=0"),
        ({"group_size": 4}, "group_size=4 has no effect with n_groups=0"),
        ({"outlier_scale": 50}, "outlier_scale=50 has no effect with n_outlier_rows=0"),
        ({"outlier_dimension_share": 0.9}, "no effect with n_outlier_dimensions=0"),
    ],
)
def test_options_without_effect_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_sparse_features(**options)
