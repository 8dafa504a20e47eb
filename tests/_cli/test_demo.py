"""The demo runs, writes what it says and refuses bad input politely."""

import json
import re

import pytest
from sklearn.utils import Bunch

from skdict import load_stories
from skdict.__main__ import main
from skdict._cli import _reading, demo
from skdict.datasets import fetch_smollm2
from skdict.interpretation import InterpretabilityScorer
from tests.inspection.report.planted_pages import page_data


@pytest.fixture
def few_texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n<|endoftext|>\n".join(load_stories().texts[:60]), encoding="utf-8")
    return path


@pytest.fixture
def few_explained(monkeypatch):
    """Explain a few features of each dictionary, because that takes most of the time."""
    monkeypatch.setattr(demo, "EXPLAINED_FEATURES", 16)


@pytest.mark.usefixtures("few_explained")
def test_demo_prints_and_writes(few_texts, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--texts", few_texts, "--out", out, "--n-components", 64, "--alpha", 0.05]
    assert main(["demo", *map(str, options)]) == 0
    shown, progress = capsys.readouterr()
    for words in (
        "sparse dictionary",
        "PCA",
        "random directions",
        "strongest codes",
        "context_gain",
        "score ",
    ):
        assert words in shown
    assert f"60 texts in {few_texts}: median" in progress
    assert "held out 12 of 60 texts, to measure all results" in progress
    assert " tokens: median " in progress and "warning" not in progress
    assert progress.index("this will take about ") < progress.index("extracted")
    assert "--max-tokens" not in progress
    assert "ActivationExtractor(load_stories().model, 'resid_post.2').fit" in shown
    assert "SparseDictionaryAutoencoder(64, alpha=0.05)" in shown
    results = json.loads((out / "results.json").read_text())
    assert (results["alpha"], results["target_l0"]) == (0.05, None)
    assert results["texts"]["n_texts"] == 60
    n_rows = results["train_shape"][0] + results["test_shape"][0]
    assert results["texts"]["n_tokens_read"] == n_rows
    sae = results["comparison"][0]
    assert 0 < sae["fvu"] < 0.6
    assert sae["n_components"] == 64
    assert results["comparison_at_n_active"][0]["l0"] <= results["n_active"]
    for record in (*results["comparison"], *results["comparison_at_n_active"]):
        assert -1 <= record["control"] < record["score"] <= 1
        assert record["context_gain"] < record["score"]
    assert len(results["features"]) == 8
    text = (out / "features.txt").read_text()
    assert text.count("fires on") >= 8
    for feature in results["features"]:
        assert feature["explanation"] and f"score {feature['score']:.2f}: " in text
    names = ["features.txt", "report.html", "results.json"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert len(page_data(out / "report.html")["details"]) == 64


@pytest.fixture
def scored(monkeypatch):
    """The measures of each dictionary that an `InterpretabilityScorer` explains."""
    found, measure = [], InterpretabilityScorer.measure

    def watched(self, estimator, X):
        found.append(measure(self, estimator, X))
        return found[-1]

    monkeypatch.setattr(InterpretabilityScorer, "measure", watched)
    return found


@pytest.mark.usefixtures("few_explained")
def test_json_and_nothing_else(few_texts, tmp_path, capsys, scored):
    options = ["--texts", few_texts, "--out", tmp_path, "--hook-point", "resid_post.0", "--json"]
    options += ["--n-components", 64, "--target-l0", 5]
    assert main(["demo", *map(str, options)]) == 0
    shown, progress = capsys.readouterr()
    results = json.loads(shown)
    assert results["hook_point"] == "resid_post.0"
    assert results["alpha"] != 0.1
    assert results["comparison"][0]["l0"] == pytest.approx(5, rel=0.2)
    assert progress == ""
    # The dictionary as fitted is explained once, for the report and the table alike.
    assert results["comparison"][0]["score"] == results["interpretation"]["interpretability"]
    others = [*results["comparison"][1:], *results["comparison_at_n_active"]]
    assert [record["score"] for record in others] == [one["interpretability"] for one in scored]


@pytest.mark.usefixtures("few_explained")
def test_smollm2_is_fetched_and_read_in_part(few_texts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_reading, "fetch_smollm2", lambda: Bunch(model=load_stories().model))
    monkeypatch.setattr(demo, "MOST_TOKENS", 2500)
    options = ["--model", "smollm2", "--texts", few_texts, "--out", tmp_path]
    assert main(["demo", *map(str, options), "--n-components", "32"]) == 0
    shown, progress = capsys.readouterr()
    assert "loading SmolLM2-135M-Instruct, which is downloaded on first use" in progress
    n_texts, n_tokens = re.search(
        r"using (\d+) of 60 texts: ([\d,]+) tokens \(--max-tokens 2500\)", progress
    ).groups()
    assert f"of {n_texts} texts, to measure all results" in progress
    assert "ActivationExtractor(fetch_smollm2().model, 'resid_post.2').fit" in shown
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["model"] == "smollm2"
    assert results["texts"]["n_texts"] == int(n_texts) < 60
    assert results["texts"]["n_tokens_read"] == int(n_tokens.replace(",", "")) <= 2500


@pytest.mark.slow
def test_the_real_model_in_small(tmp_path, shared_data, capsys):
    try:
        fetch_smollm2(download_if_missing=False)
    except (OSError, ImportError) as error:
        pytest.skip(f"SmolLM2 is not installed: {error}")
    texts = shared_data / "text" / "wikitext2-valid.txt"
    options = ["--model", "smollm2", "--texts", texts, "--out", tmp_path, "--json"]
    assert main(["demo", *map(str, options), "--max-tokens", "20000"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["hook_point"] == "resid_post.15"
    assert 19_000 < results["texts"]["n_tokens_read"] <= 20_000
    sae, pca, random = results["comparison_at_n_active"]
    assert sae["n_components"] == 2304
    assert sae["fvu"] < pca["fvu"] < random["fvu"]
    assert sae["score"] > 0.2 > abs(sae["control"])
    report = tmp_path / "report.html"
    assert report.stat().st_size < 10e6
    assert len(page_data(report)["details"]) == 2304


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-tokens", "0"], "--max-tokens=0"),
        (["--max-tokens", "900"], "of 60 texts, but 15 are needed; pass a larger limit"),
        (["--model", "./nowhere"], "no such folder"),
        (["--texts", "nowhere.txt"], "no such file or directory; pass a .txt, .jsonl"),
        (["--texts", "ONE"], "contains 1 text; pass at least 15 (in .txt files, texts"),
        (["--field", "body", "--texts", "RECORDS"], "line 1: has no field 'body'"),
        (["--n-components", "0"], "--n-components=0"),
        (["--out", __file__], "is a file; pass a new or existing folder"),
        (["--hook-point", "resid_post.7"], "'resid_post.0' to 'resid_post.4'"),
        (["--alpha", "-1"], "larger means fewer codes per token, try 0.1 first"),
        (["--target-l0", "0"], "--target-l0=0.0"),
        (["--target-l0", "9", "--n-components", "8"], "a number > 0 and <= 8"),
        (["--target-l0", "9", "--alpha", "0"], "start from --alpha 0.1"),
        (["--max-length", "0"], "max_length=0"),
        (["--device", "gpu"], "device='gpu'"),
    ],
)
def test_bad_input_is_told_in_one_line(few_texts, tmp_path, capsys, options, message):
    names = {"ONE": tmp_path / "one.txt", "RECORDS": tmp_path / "records.jsonl"}
    names["ONE"].write_text("only one")
    names["RECORDS"].write_text('{"text": "one"}\n' * 15)
    base = ["demo", "--texts", str(few_texts), "--out", str(tmp_path / "out")]
    assert main([*base, *(str(names.get(part, part)) for part in options)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("skdict: error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_help_and_version(capsys):
    for arguments in (["--help"], ["demo", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "python -m skdict demo" in shown
    assert "weight of the sparsity penalty" in shown
    assert main([]) == 1
    assert capsys.readouterr().err == (
        "skdict: error: the following arguments are required: COMMAND; see skdict --help\n"
    )
