"""Planted layers: some features stay, some turn, some are new and some end."""

import numpy as np
import pytest
import scipy.sparse

from skdict import Activations, SparseDictionaryAutoencoder
from skdict.decomposition import fit_layers
from skdict.inspection import LayerFeaturesDisplay
from skdict.metrics import match_layers
from skdict.metrics._agreement import code_correlations

# Numbers of planted features: the first ten stay, the next six turn, six end and six are new.
STAY, TURN, END = 10, 6, 6


class Planted:
    """Dictionary with given directions, whose codes are given for the rows as a whole."""

    def __init__(self, components, codes):
        self.components_, self._codes = components, codes

    def transform(self, X):
        return self._codes

    def inverse_transform(self, codes):
        return codes @ self.components_


def plant(n_rows=4000, width=24, seed=0):
    """Return rows, directions and codes of two layers."""
    rng = np.random.default_rng(seed)
    m = STAY + TURN + END
    low = rng.standard_normal((m, width))
    high = low.copy()
    high[STAY:] = rng.standard_normal((m - STAY, width))
    low, high = (d / np.linalg.norm(d, axis=1, keepdims=True) for d in (low, high))
    codes = [(rng.random((n_rows, m)) < 0.06) * (0.5 + rng.random((n_rows, m))) for _ in range(2)]
    codes[1][:, : STAY + TURN] = 1.5 * codes[0][:, : STAY + TURN]
    rows = [c @ d for c, d in zip(codes, (low, high), strict=True)]
    return rows, (low, high), codes


def test_planted_kinds_and_partners_are_found():
    rows, directions, codes = plant()
    shuffle = np.random.default_rng(1).permutation(22)
    dictionaries = {
        "low": Planted(directions[0], codes[0]),
        "high": Planted(directions[1][shuffle], scipy.sparse.csr_array(codes[1][:, shuffle])),
    }
    (match,) = match_layers(dictionaries, {"low": rows[0], "high": rows[1]})
    kinds = np.repeat(["persists", "turns", "vanishes"], [STAY, TURN, END])
    assert (match.kinds == kinds).all()
    assert (shuffle[match.partners[:16]] == np.arange(16)).all()
    assert (match.partners[16:] == -1).all()
    np.testing.assert_allclose(match.correlations[:16], 1)
    assert np.isnan(match.correlations[16:]).all()
    np.testing.assert_allclose(match.cosines[:STAY], 1)
    appears = np.where(shuffle >= 16, "appears", kinds[shuffle])
    assert (match.kinds_above == appears).all()
    assert match.counts() == {"persists": 10, "turns": 6, "vanishes": 6, "appears": 6}


def test_fitted_dictionaries_tell_planted_kinds_apart():
    rows, directions, _ = plant()
    estimator = SparseDictionaryAutoencoder(
        30, alpha=0.2, max_iter=10, random_state=0, device="cpu", learning_rate=3e-3
    )
    layers = {"low": rows[0], "high": rows[1]}
    fitted = fit_layers(estimator, layers)
    (match,) = match_layers(fitted, layers)
    cosines = directions[0] @ fitted["low"].components_.T
    found = cosines.max(axis=1) > 0.9
    assert found.mean() >= 0.9
    kinds = np.repeat(["persists", "turns", "vanishes"], [STAY, TURN, END])
    assert (match.kinds[cosines.argmax(axis=1)] == kinds)[found].mean() >= 0.9


def test_dead_features_are_neither_new_nor_gone():
    codes = np.eye(4)[:, :3]
    codes[:, 2] = 0
    dictionary = Planted(np.eye(3), codes)
    layers = {"low": np.ones((4, 3)), "high": np.ones((4, 3))}
    (match,) = match_layers({"low": dictionary, "high": dictionary}, layers)
    assert match.kinds.tolist() == match.kinds_above.tolist() == ["persists", "persists", "dead"]


def test_correlations_are_those_of_numpy():
    _, _, codes = plant(500)
    expected = np.corrcoef(codes[0].T, codes[1].T)[:22, 22:]
    np.testing.assert_allclose(code_correlations(*codes), expected, atol=1e-12)


def test_layers_that_do_not_fit_are_rejected():
    rows, directions, codes = plant(200)
    low = Planted(directions[0], codes[0])
    both = {"low": low, "high": low}
    with pytest.raises(TypeError, match="dictionaries is list"):
        match_layers([low], {})
    with pytest.raises(ValueError, match="dictionaries has 1 layers; pass at least two"):
        match_layers({"low": low}, {"low": rows[0]})
    with pytest.raises(ValueError, match="layers has no rows of 'high'"):
        match_layers(both, {"low": rows[0]})
    with pytest.raises(ValueError, match="'low' has 200 rows but 'high' has 199"):
        match_layers(both, {"low": rows[0], "high": rows[1][1:]})
    tokens = {"documents": np.zeros(200, int), "token_ids": np.zeros(200, int)}
    acts = [Activations(rows[0], positions=np.arange(i, 200 + i), **tokens) for i in (0, 1)]
    with pytest.raises(ValueError, match="'low' and 'high' differ in positions"):
        match_layers(both, {"low": acts[0], "high": acts[1]})


def test_the_display_shows_the_counts():
    pytest.importorskip("matplotlib").use("Agg")
    rows, directions, codes = plant(500)
    dictionaries = {n: Planted(directions[i], codes[i]) for i, n in enumerate(["low", "high"])}
    display = LayerFeaturesDisplay.from_estimators(dictionaries, {"low": rows[0], "high": rows[1]})
    heights = [bar.get_height() for bar in display.plot().ax_.patches]
    assert heights == [10, 6, 6, -6]
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["low\nto\nhigh"]
