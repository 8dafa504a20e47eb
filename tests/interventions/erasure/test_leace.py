"""Erasure in closed form: known answers of LEACE and its variants."""

import numpy as np
import pytest
import torch

from skdict.interventions import LEACE


def planted(n=600, d=12, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(classes, size=n)
    mixing = rng.standard_normal((d, d)) * np.geomspace(0.05, 4, d)[:, None]
    return rng.standard_normal((n, d)) @ mixing + rng.standard_normal((classes, d))[z] + 5, z


def cross(X, Z):
    return (X - X.mean(axis=0)).T @ (Z - Z.mean(axis=0)) / len(X)


@pytest.mark.parametrize("method", ["leace", "orthogonal"])
@pytest.mark.parametrize("classes", [2, 5])
def test_no_covariance_is_left(method, classes):
    X, z = planted(classes=classes)
    leace = LEACE(method).fit(X, z)
    erased = leace.transform(X)
    flags = np.eye(classes)[z]
    assert np.abs(cross(X, flags)).max() > 0.05
    assert np.abs(cross(erased, flags)).max() < 1e-10
    np.testing.assert_allclose(leace.transform(erased), erased, atol=1e-10)
    np.testing.assert_allclose(erased.mean(axis=0), X.mean(axis=0), atol=1e-10)
    assert leace.readout_.shape == leace.directions_.shape == (classes - 1, 12)
    assert np.linalg.matrix_rank(erased - X, tol=1e-8) == classes - 1


def test_two_classes_in_closed_form():
    X, z = planted()
    delta = cross(X, z[:, None].astype(float))[:, 0]
    whitened = np.linalg.solve(np.cov(X.T, bias=True), delta)
    centred = X - X.mean(axis=0)
    expected = X - np.outer(centred @ whitened, delta) / (delta @ whitened)
    np.testing.assert_allclose(LEACE().fit_transform(X, z), expected, atol=1e-10)
    unit = delta / np.linalg.norm(delta)
    expected = X - np.outer(centred @ unit, unit)
    np.testing.assert_allclose(LEACE("orthogonal").fit_transform(X, z), expected, atol=1e-10)
    means = X[z == 1].mean(axis=0) - X[z == 0].mean(axis=0)
    assert np.abs(unit @ means / np.linalg.norm(means)) == pytest.approx(1)


def test_the_edit_is_smaller_than_any_projection_that_erases():
    X, z = planted()
    least = np.square(LEACE().fit_transform(X, z) - X).sum()
    assert least < np.square(LEACE("orthogonal").fit_transform(X, z) - X).sum()
    # Oblique projections off the difference of means, read along any other direction.
    delta = X[z == 1].mean(axis=0) - X[z == 0].mean(axis=0)
    rng = np.random.default_rng(1)
    for _ in range(20):
        reading = rng.standard_normal(12)
        edit = np.outer((X - X.mean(axis=0)) @ reading, delta) / (delta @ reading)
        erased = X - edit
        assert np.abs(cross(erased, z[:, None])).max() < 1e-8
        assert least < np.square(edit).sum()


def test_isotropic_noise_makes_it_a_projection_along_the_concept():
    rng = np.random.default_rng(0)
    n, d = 4000, 6
    axis = np.eye(d)[2]
    z = np.arange(n) % 2
    noise = rng.standard_normal((n // 2, d))
    # Both classes have the same noise, whose sample covariance is made the identity.
    noise -= noise.mean(axis=0)
    noise = noise @ np.linalg.inv(np.linalg.cholesky(noise.T @ noise / len(noise)).T)
    X = np.repeat(noise, 2, axis=0) + 3 * np.outer(z, axis)
    expected = X - np.outer((X - X.mean(axis=0)) @ axis, axis)
    np.testing.assert_allclose(LEACE().fit_transform(X, z), expected, atol=1e-9)


def test_it_commutes_with_invertible_affine_maps():
    X, z = planted(classes=3)
    rng = np.random.default_rng(3)
    matrix, shift = rng.standard_normal((12, 12)), rng.standard_normal(12)
    moved = LEACE().fit_transform(X @ matrix + shift, z)
    np.testing.assert_allclose(moved, LEACE().fit_transform(X, z) @ matrix + shift, atol=1e-7)


def test_parts_are_as_good_as_the_whole():
    X, z = planted(classes=4)
    order = np.argsort(z, kind="stable")
    X, z = X[order], z[order]
    whole, parts = LEACE().fit(X, z), LEACE()
    # Classes turn up one after the other.
    for start in range(0, len(X), 70):
        parts.partial_fit(X[start : start + 70], z[start : start + 70])
    assert parts.n_samples_seen_ == len(X)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), atol=1e-9)
    shuffled = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(
        LEACE().fit(X[shuffled], z[shuffled]).transform(X), whole.transform(X), atol=1e-9
    )


def test_concepts_in_numbers_and_names_of_classes():
    X, z = planted(classes=3)
    rng = np.random.default_rng(0)
    numbers = X[:, :2] @ rng.standard_normal((2, 2)) + rng.standard_normal((len(X), 2))
    erased = LEACE().fit_transform(X, numbers)
    assert np.abs(cross(erased, numbers)).max() < 1e-10
    one = LEACE().fit(X, numbers[:, 0])
    assert one.classes_ is None and len(one.readout_) == 1
    names = np.array(["red", "green", "blue"])[z]
    np.testing.assert_allclose(
        LEACE().fit_transform(X, names), LEACE().fit_transform(X, z), atol=1e-10
    )


def test_rows_that_do_not_fill_the_space():
    X, z = planted()
    low = X[:, :4] @ np.random.default_rng(0).standard_normal((4, 12))
    leace = LEACE().fit(low, z)
    erased = leace.transform(low)
    assert np.abs(cross(erased, np.eye(2)[z])).max() < 1e-9
    # What no row of the fit has, stays.
    basis = np.linalg.svd(low - low.mean(axis=0))[2]
    off = low + 3 * basis[-1]
    np.testing.assert_allclose(
        leace.transform(off) - erased, np.tile(3 * basis[-1], (len(X), 1)), atol=1e-6
    )


def test_single_precision():
    X, z = planted()
    single = LEACE().fit(X.astype(np.float32), z)
    erased = single.transform(X.astype(np.float32))
    assert erased.dtype == np.float32
    assert np.abs(cross(erased.astype(float), np.eye(2)[z])).max() < 1e-5


def test_bad_input():
    X, z = planted()
    with pytest.raises(ValueError, match="one class"):
        LEACE().fit(X, np.zeros(len(X), int))
    with pytest.raises(ValueError, match="method="):
        LEACE("oblique").fit(X, z)
    with pytest.raises(ValueError, match="inconsistent"):
        LEACE().fit(X, z[:-1])
    with pytest.raises(ValueError, match="NaN"):
        LEACE().fit(np.where(X > 7, np.nan, X), z)
    started = LEACE().partial_fit(X, z)
    with pytest.raises(ValueError, match="pass one kind"):
        started.partial_fit(X, X[:, 0])
    started = LEACE().partial_fit(X, X[:, :2])
    with pytest.raises(ValueError, match="3 columns"):
        started.partial_fit(X, X[:, :3])
    with pytest.raises(ValueError, match="features"):
        started.transform(X[:, :3])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_tensors_of_any_precision(dtype):
    X, z = planted()
    X = torch.from_numpy(X).to(dtype).requires_grad_()
    rows = X.detach().double().numpy()
    expected = LEACE().fit(rows, z)
    found = LEACE().fit(X, torch.from_numpy(z))
    np.testing.assert_allclose(found.mean_, expected.mean_, rtol=1e-5)
    np.testing.assert_allclose(found.transform(X), expected.transform(rows), atol=1e-3)
    assert found.transform(X).dtype in (np.float32, np.float64)
    parts = LEACE().partial_fit(X[:300], z[:300]).partial_fit(X[300:], z[300:])
    np.testing.assert_allclose(parts.directions_, found.directions_, atol=1e-3)
