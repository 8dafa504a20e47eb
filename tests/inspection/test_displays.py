"""Every display draws what it was given, on the axes it was given."""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import Activations, SparseDictionaryAutoencoder, sparse_dictionary_path
from skdict.datasets import make_sparse_features
from skdict.inspection import (
    AlphaPathDisplay,
    DictionarySimilarityDisplay,
    FeatureDensityDisplay,
    FeatureMapDisplay,
    FeatureStatistics,
    InputHistogramDisplay,
    InterpretabilityDisplay,
    PatchingCurveDisplay,
    TrainingHistoryDisplay,
)
from skdict.metrics import ComparisonTable, compare_dictionaries, firing_density

TOKENS = ["a", " $x$", "_", "\n", "<script>", "é", "long token"]


@pytest.fixture(scope="module")
def acts():
    X = make_sparse_features(
        600, n_features=8, n_components=16, n_active=2, random_state=0
    ).X.astype(np.float32)
    return Activations(
        X,
        documents=np.repeat(np.arange(60), 10),
        positions=np.tile(np.arange(10), 60),
        token_ids=np.random.default_rng(0).integers(0, len(TOKENS), 600),
        vocabulary=TOKENS,
    )


@pytest.fixture(scope="module")
def path(acts):
    return sparse_dictionary_path(
        acts, [0.05, 0.2, 0.4], n_components=16, max_iter=2, random_state=0
    )


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def texts(ax):
    """Return every text on axes, once they are drawn."""
    ax.figure.canvas.draw()
    return [text.get_text() for text in ax.figure.findobj(matplotlib.text.Text)]


def heights(ax):
    return np.array([patch.get_height() for patch in ax.patches])


def test_density(acts, path):
    display = FeatureDensityDisplay.from_estimator(path[1], acts)
    codes = path[1].transform(acts)
    assert np.allclose(display.density, firing_density(codes))
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
    assert "3 features, 1 of them dead" in texts(display.ax_)
    assert "2 above 0.1" in texts(display.ax_)
    assert FeatureDensityDisplay.from_codes(np.zeros((3, 2))).plot().figure_


def test_density_of_a_pipeline_and_of_no_dictionary(acts):
    pipeline = make_pipeline(StandardScaler(), PCA(3)).fit(np.asarray(acts))
    assert FeatureDensityDisplay.from_estimator(pipeline, acts).name == "PCA"
    with pytest.raises(TypeError, match="a dictionary is a fitted estimator"):
        FeatureDensityDisplay.from_estimator(StandardScaler(), acts)


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


@pytest.mark.parametrize("stat", ["count", "share"])
def test_input_histogram(acts, path, stat):
    codes = path[0].transform(acts)
    feature = int(np.argmax(firing_density(codes)))
    display = InputHistogramDisplay.from_estimator(path[0], acts, feature, n_tokens=3, stat=stat)
    n_fired = (codes[:, [feature]] > 0).sum()
    total = n_fired if stat == "count" else np.count_nonzero(display.counts.sum(axis=0))
    assert heights(display.ax_).sum() == pytest.approx(total)
    assert "other tokens" in texts(display.ax_)
    assert f"Feature {feature}: tokens it fires on" in texts(display.ax_)


def test_input_histogram_of_what_never_fires(acts):
    with pytest.raises(ValueError, match="feature 0 never fires"):
        InputHistogramDisplay.from_codes(np.zeros((600, 1)), acts, 0)


def tables(**scores):
    return ComparisonTable(
        [
            {"dictionary": name, "fvu": 0.1, "interpretability": v, **interval(v)}
            for name, v in scores.items()
        ]
    )


def interval(value):
    return {"interpretability_low": value - 0.1, "interpretability_high": value + 0.2}


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


def curve(scale):
    counts = np.array([0, 1, 2, 4, 64])
    columns = ("edit_magnitude", "relative_edit_magnitude", "kl", "reverse_kl", "logit_diff")
    return {"n_patched": counts} | dict.fromkeys(columns, scale / (1 + counts))


@pytest.mark.parametrize("x", ["n_patched", "edit_magnitude", "relative_edit_magnitude"])
@pytest.mark.parametrize("y", ["kl", "reverse_kl", "logit_diff"])
def test_patching_curves(x, y):
    display = PatchingCurveDisplay.from_curves({"sae": curve(2.0), "pca": curve(3.0)})
    ax = display.plot(x=x, y=y).ax_
    assert np.array_equal(ax.lines[1].get_ydata(), curve(3.0)[y])
    assert np.array_equal(ax.lines[1].get_xdata(), curve(3.0)[x])
    assert {"sae", "pca"} <= set(texts(ax))


def test_one_curve_and_no_curve():
    display = PatchingCurveDisplay.from_curves(curve(1.0)).plot()
    assert display.ax_.get_legend() is None
    with pytest.raises(ValueError, match="y='loss'"):
        display.plot(y="loss")
    with pytest.raises(TypeError, match="'sae' are no curves"):
        PatchingCurveDisplay.from_curves({"sae": {"kl": [1.0]}})


def test_similarity():
    rng = np.random.default_rng(0)
    small = rng.standard_normal((10, 8))
    large = np.concatenate([small, rng.standard_normal((20, 8))])
    sets = {"small": small, "large": large, "other": rng.standard_normal((10, 8))}
    display = DictionarySimilarityDisplay.from_estimators(sets).plot()
    assert display.values[0, 1] == pytest.approx(1)
    assert display.values[1, 0] < 0.95
    assert display.random[0, 1] < 0.95
    assert np.array_equal(display.ax_.images[0].get_array(), display.values)
    assert f"{display.values[1, 0]:.2f}\n({display.random[1, 0]:.2f})" in texts(display.ax_)
    shared = DictionarySimilarityDisplay.from_estimators(sets, measure="shared")
    assert shared.values[1, 0] == pytest.approx(1 / 3)
    assert shared.plot(colorbar=False).figure_.axes == [shared.ax_]
    with pytest.raises(ValueError, match="at least two"):
        DictionarySimilarityDisplay.from_estimators({"small": small})
    with pytest.raises(TypeError, match="pass a dict"):
        DictionarySimilarityDisplay.from_estimators([small, large])


def test_feature_map_keeps_clusters_together():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 8), 20, axis=0)
    atoms = centres + 0.05 * rng.standard_normal(centres.shape)
    display = FeatureMapDisplay.from_directions(atoms, perplexity=8)
    group = np.repeat(np.arange(3), 20)
    means = np.array([display.positions[group == g].mean(axis=0) for g in range(3)])
    distances = np.linalg.norm(display.positions[:, None] - means, axis=2)
    assert np.array_equal(distances.argmin(axis=1), group)
    again = FeatureMapDisplay.from_directions(atoms, perplexity=8)
    assert np.array_equal(again.positions, display.positions)
    values = np.arange(60.0)
    display.plot(values=values, label="density", names={0: "$first$"}, log=True)
    assert {r"\$first\$", "density"} <= set(texts(display.ax_))
    grey, coloured = display.ax_.collections
    assert (len(grey.get_offsets()), len(coloured.get_offsets())) == (1, 59)
    with pytest.raises(ValueError, match="one for each of the 60"):
        display.plot(values=[1.0])


def test_feature_map_of_a_dictionary(path):
    display = FeatureMapDisplay.from_estimator(path[0])
    assert display.positions.shape == (16, 2)
    with pytest.raises(ValueError, match="3 features are no map"):
        FeatureMapDisplay.from_directions(np.eye(3))


def test_training_history(acts):
    sae = SparseDictionaryAutoencoder(16, max_iter=2, random_state=0).fit(acts)
    display = TrainingHistoryDisplay.from_estimator(sae, measures=("loss", "l0"))
    assert len(display.axes_) == 2
    drawn = display.axes_[1].lines[0]
    assert drawn.get_xdata().tolist() == [entry["step"] for entry in sae.history_]
    assert drawn.get_ydata().tolist() == [entry["l0"] for entry in sae.history_]
    with pytest.raises(ValueError, match=r"pass some of 'loss'.*'n_dead'"):
        display.plot(measures=["speed"])
    with pytest.raises(TypeError, match="PCA has no history_"):
        TrainingHistoryDisplay.from_estimator(PCA(2).fit(np.asarray(acts)))


@pytest.mark.parametrize(
    "display",
    [
        FeatureDensityDisplay(np.array([0.1, 0.5]), 10),
        AlphaPathDisplay([0.1], [3.0], [0.2]),
        InputHistogramDisplay([0, 1], [[1], [2]], ["a"], 0),
        InterpretabilityDisplay.from_comparison(tables(sae=0.5)),
        PatchingCurveDisplay.from_curves(curve(1.0)),
        DictionarySimilarityDisplay(["a", "b"], np.eye(2)),
        FeatureMapDisplay(np.eye(2)),
        TrainingHistoryDisplay([{"step": 1, "fvu": 0.5, "l0": 3.0, "n_dead": 0}]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_axes_are_kept_and_the_extra_is_named(display, monkeypatch, tmp_path):
    _, (left, right) = plt.subplots(1, 2)
    assert display.plot(right) is display
    assert display.ax_ is right
    assert display.figure_ is right.figure
    assert not left.has_data()
    display.plot().figure_.savefig(tmp_path / "new.png")
    assert display.ax_ is not right
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=rf"{type(display).__name__}.*skdict\[plot\]"):
        display.plot()
