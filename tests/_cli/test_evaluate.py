"""`skdict evaluate` measures saved dictionaries, resumes, and leads to the report."""

import json
import shlex

import numpy as np
import pytest

from skdict import RandomDictionary, load_stories
from skdict.__main__ import main
from skdict.decomposition import IdentityDictionary
from skdict.io import save_dictionary
from tests.inspection.report.planted_pages import page_data

POINT = "resid_post.1"
SMALL = ("--n-tokens", 2000, "--n-loss-tokens", 200, "--skip", "absorption,perturbation")

pytestmark = pytest.mark.filterwarnings("ignore:.*not probed because of fewer than 20 samples")


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    origin = {"model": load_stories().model, "hook_point": POINT}
    rows = np.random.default_rng(0).standard_normal((50, 128))
    methods = {"one/sae": RandomDictionary(32, random_state=0), "two/sae": IdentityDictionary()}
    for name, method in methods.items():
        save_dictionary(method.fit(rows), folder / name, metadata=origin)
    save_dictionary(methods["one/sae"], folder / "unknown", metadata={})
    return folder


def test_the_table_is_printed_kept_and_shown_in_the_report(folders, tmp_path, capsys):
    out = tmp_path / "out"
    sources = folders / "one/sae", folders / "two/sae"
    assert run("evaluate", *sources, "--out", out, *SMALL) == 0
    shown, told = capsys.readouterr()
    assert "note:" not in told
    assert "| measure | one/sae | two/sae |" in shown
    assert (out / "evaluation.md").read_text() in shown
    step = shlex.split(shown.split("Next step:")[1])
    assert run(*step[3:], "--out", tmp_path / "report.html", "--n-explained", 0) == 0
    assert "note:" not in capsys.readouterr().err
    table = page_data(tmp_path / "report.html")["evaluation"]
    assert table["names"] == ["one/sae", "two/sae"]
    # Nothing is measured twice, and the settings say how to repeat it.
    before = sorted((path, path.stat().st_mtime_ns) for path in (out / "parts").iterdir())
    assert run("evaluate", "--settings", out / "settings.json", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert sorted((path, path.stat().st_mtime_ns) for path in (out / "parts").iterdir()) == before
    del again["elapsed"]
    assert again == json.loads((out / "evaluation.json").read_text())
    assert set(again["left_out"]) == {"absorption", "perturbation"}
    assert again["settings"]["hook_point"] == POINT


def test_interpretability_is_a_part_on_request(folders, tmp_path, capsys):
    skip = ("--skip", "loss,probing,absorption,perturbation", "--n-explained", 5)
    options = ("--out", tmp_path / "out", *SMALL[:4], *skip)
    assert run("evaluate", folders / "two/sae", "--json", *options) == 0
    content = json.loads(capsys.readouterr().out)
    names = [measure["name"] for measure in content["measures"]]
    assert "interpretability" in names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "missing SOURCES"),
        (("one/sae", "one/sae"), "each once"),
        (("nowhere",), "'nowhere' does not exist; pass a folder"),
        (("unknown",), "have hook points None; pass hook_point"),
        (("one/sae", "--skip", "recall"), "skip has 'recall'"),
        (("one/sae", "--skip", "a,,b"), "is not a list of parts"),
        (("one/sae", "--n-tokens", "0"), "n_tokens"),
        (("one/sae", "--n-explained", "-1"), "--n-explained"),
    ],
)
def test_errors_are_one_line(folders, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folders)
    assert run("evaluate", *arguments, "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
