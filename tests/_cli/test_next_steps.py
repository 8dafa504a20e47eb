"""Commands say where their measures come from, and print a next step that works."""

import json
import shlex
import textwrap

import pytest
from sklearn.utils import Bunch

from skdict import RandomDictionary, datasets, load_stories
from skdict.__main__ import main
from skdict._cli import _reading
from skdict._cli._clock import Clock
from skdict._cli._held_out import warn_of_few_documents
from skdict._cli._snippet import python_snippet
from skdict.activations import Activations
from skdict.inspection.evidence import split_documents
from skdict.interpretation import FeatureInterpreter
from skdict.io import load_dictionary, save_dictionary

POINT = "resid_post.1"


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts, a store and a dictionary."""
    folder = tmp_path_factory.mktemp("route")
    texts = folder / "texts.txt"
    texts.write_text("\n<|endoftext|>\n".join(load_stories().texts[:20]), encoding="utf-8")
    out = folder / "acts"
    assert run("extract", "--texts", texts, "--out", out, "--hook-point", POINT, "--json") == 0
    options = ("--n-components", 32, "--max-iter", 2, "--batch-size", 64, "--json")
    assert run("fit", out / POINT, "--out", folder / "sae", *options) == 0
    return folder


def next_step(shown):
    """Return what stands below the last heading."""
    return textwrap.dedent(shown.split("Next step")[1].split(":\n\n", 1)[1])


def test_every_command_leads_to_the_next(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = folder / "acts" / POINT
    assert run("fit", store, "--settings", folder / "sae" / "settings.json") == 0
    for command in ("show", "report"):
        step = shlex.split(next_step(capsys.readouterr().out))
        assert step == ["python", "-m", "skdict", command, str(folder / "sae"), str(store)]
        assert run(*step[3:]) == 0
    code = next_step(capsys.readouterr().out)
    exec(compile(code, "next step", "exec"), {})
    shown = capsys.readouterr().out
    interpreter = FeatureInterpreter(
        load_dictionary(folder / "sae"), n_features=150, random_state=0
    ).fit(Activations.load(store))
    best = interpreter.features_[interpreter.scores_.argmax()]
    assert shown.startswith(f"feature {best}: fires on")
    assert "Once upon a time" in shown.splitlines()[-1]


def test_without_scores_and_model_the_code_still_runs(folder, tmp_path, capsys):
    Activations.load(folder / "acts" / POINT).save(tmp_path / "saved")
    code = python_snippet(f"load_dictionary({str(folder / 'sae')!r})", tmp_path / "saved")
    assert "load_model" not in code
    exec(compile(code, "next step", "exec"), {})
    assert capsys.readouterr().out.startswith("feature ")


def test_the_code_fetches_a_fetched_model(folder, tmp_path, monkeypatch, capsys):
    fetched = Bunch(model=load_stories().model)
    for module in (_reading, datasets):
        monkeypatch.setattr(module, "fetch_smollm2", lambda: fetched)
    options = ("--texts", folder / "texts.txt", "--out", tmp_path, "--hook-point", POINT)
    assert run("extract", "--model", "smollm2", *options) == 0
    code = python_snippet(f"load_dictionary({str(folder / 'sae')!r})", tmp_path / POINT)
    assert "from skdict.datasets import fetch_smollm2\n" in code
    capsys.readouterr()
    exec(compile(code, "next step", "exec"), {})
    assert "Once upon a time" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["show", "report"])
def test_it_is_said_which_rows_were_fitted_on(folder, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    store, extra = folder / "acts" / POINT, []
    acts = Activations.load(store)
    acts[acts.documents > 3].save("other")
    save_dictionary(RandomDictionary(8, random_state=0).fit(acts), "unknown")
    if command == "report":
        extra = ["--n-explained", 0]
    for dictionary, rows, answer, words in (
        (folder / "sae", store, True, "was fitted on these rows; for held-out measures, run"),
        (folder / "sae", "other", False, "was fitted on another store; the measures are held out"),
        ("unknown", store, None, "does not record the rows it was fitted on"),
    ):
        assert run(command, dictionary, rows, *extra) == 0
        assert words in capsys.readouterr().out
        assert run(command, dictionary, rows, *extra, "--json") == 0
        assert json.loads(capsys.readouterr().out)["fitted_on_these_rows"] is answer


def test_fit_says_that_nothing_is_held_out(folder, capsys):
    assert run("fit", "--settings", folder / "sae" / "settings.json") == 0
    told = capsys.readouterr().out
    assert f"Fitted on all 20 documents of {folder / 'acts' / POINT}, none held out; for" in told


def test_report_says_where_scores_come_from(folder, tmp_path, capsys):
    words = "scored on documents that were not used to write or to select them"
    for n, is_said in ((2, True), (0, False)):
        out = ("--out", tmp_path / "report.html", "--n-explained", n)
        assert run("report", folder / "sae", folder / "acts" / POINT, *out) == 0
        shown, progress = capsys.readouterr()
        assert (words in shown) == is_said and "warning" not in progress


def test_few_documents_are_warned_of_or_refused(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    acts = Activations.load(folder / "acts" / POINT)
    for n in (2, 9):
        acts[acts.documents < n].save(f"first-{n}")
    sae = folder / "sae"
    assert run("report", sae, "first-9", "--n-explained", 2, "--json") == 0
    assert "skdict: warning: only 9 documents: explanations are" in capsys.readouterr().err
    assert split_documents(acts[acts.documents < 9])["test"].sum() == 3
    assert run("report", sae, "first-2", "--n-explained", 2) == 1
    assert "first-2 has rows of 2 documents, but explanations need at least 3" in (
        told := capsys.readouterr().err
    )
    assert "explaining" not in told
    assert run("report", sae, "first-2", "--n-explained", 0) == 0


def test_extract_warns_of_few_documents(folder, tmp_path, capsys):
    # The last text is too short for a row.
    texts = tmp_path / "texts.txt"
    texts.write_text("\n\n".join(["Tom saw Lily and a big red ball."] * 2 + ["a"]))
    options = ("--skip-first", 3, "--hook-point", POINT, "--json")
    assert run("extract", "--texts", texts, "--out", tmp_path / "out", *options) == 0
    told = capsys.readouterr().err
    assert told.startswith("skdict: warning: only 2 documents: ")
    assert "features cannot be explained with fewer than 3" in told


def test_ten_documents_are_enough(capsys):
    warn_of_few_documents(Clock(silent=True), 10)
    assert capsys.readouterr().err == ""
    warn_of_few_documents(Clock(silent=True), 3, "held-out documents")
    told = capsys.readouterr().err
    assert "only 3 held-out documents: " in told and "at most three documents" in told
