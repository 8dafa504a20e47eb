"""FVU agrees with scikit-learn and known answers."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from skdict.metrics import fvu, reconstruction_bias


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((500, 6)) @ rng.standard_normal((6, 6)) + 10


def test_equals_scikit_learn(rows):
    rebuilt = rows + np.random.default_rng(1).standard_normal(rows.shape)
    expected = 1 - r2_score(rows, rebuilt, multioutput="variance_weighted")
    assert fvu(rows, rebuilt) == pytest.approx(expected, rel=1e-12)


def test_known_answers(rows):
    assert fvu(rows, rows) == 0
    assert fvu(rows, np.broadcast_to(rows.mean(0), rows.shape)) == pytest.approx(1)
    pca = PCA(2).fit(rows)
    rebuilt = pca.inverse_transform(pca.transform(rows))
    assert fvu(rows, rebuilt) == pytest.approx(1 - pca.explained_variance_ratio_.sum())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scale_offset_rotation_and_order_do_not_matter(rows, scale):
    rng = np.random.default_rng(1)
    rebuilt = rows + rng.standard_normal(rows.shape)
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    order = rng.permutation(len(rows))
    moved = [scale * (a[order] @ rotation) + 100 * scale for a in (rows, rebuilt)]
    assert fvu(*moved) == pytest.approx(fvu(rows, rebuilt), rel=1e-9)


def test_tensors(rows):
    assert fvu(torch.tensor(rows), torch.tensor(rows + 1)) == pytest.approx(fvu(rows, rows + 1))


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_bias_is_the_factor_of_shrinkage(rows, factor):
    mean = rows.mean(0)
    shrunk = mean + factor * (rows - mean)
    assert reconstruction_bias(rows, shrunk) == pytest.approx(factor)
    best = mean + (shrunk - mean) / reconstruction_bias(rows, shrunk)
    assert fvu(rows, best) == pytest.approx(0, abs=1e-12)
    assert np.isnan(reconstruction_bias(rows, np.broadcast_to(mean, rows.shape)))
    assert np.isnan(reconstruction_bias([[1.0, 0], [-1.0, 0]], [[0.0, 1], [0.0, -1]]))
    shrunk[2, 3] = np.nan
    with pytest.raises(ValueError, match="Input X_hat contains NaN: first at row 2"):
        reconstruction_bias(rows, shrunk)


def test_bad_input(rows):
    with pytest.raises(ValueError, match=r"\(500, 6\) but X_hat has shape \(499, 6\)"):
        fvu(rows, rows[1:])
    rows[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN: first at row 3, column 1"):
        fvu(rows, rows)
    with pytest.raises(ValueError, match="Input X_hat contains NaN"):
        fvu(np.nan_to_num(rows), rows)
    with pytest.raises(ValueError, match="do not vary"):
        fvu(rows[:1], rows[:1])
