"""Every page of the gallery runs, shrunk, and draws."""

import runpy
from pathlib import Path

import matplotlib
import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::skdict.exceptions.DeadFeaturesWarning",
)
@pytest.mark.slow  # .ci/run builds the gallery, which runs every example whole.
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, monkeypatch, tmp_path):
    monkeypatch.setenv("SKDICT_EXAMPLES_FAST", "1")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    runpy.run_path(str(path), run_name="__main__")
    assert plt.get_fignums()
    plt.close("all")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_asks_a_question(path):
    source = path.read_text(encoding="utf-8")
    assert 50 <= len(source.splitlines()) <= 120
    title = source.split("\n")[1]
    assert title.endswith("?")
    assert source.startswith('"""\n' + title + "\n" + "=" * len(title))


def test_they_are_numbered_in_reading_order():
    numbers = [path.stem.split("_")[1] for path in EXAMPLES]
    assert numbers == sorted(set(numbers))
