"""`show` and `report` measure saved transcoders on two stores, or say what they leave out."""

import json
import textwrap

import numpy as np
import pytest

from skdict import IdentityDictionary, SparseTranscoder, load_stories
from skdict.__main__ import main
from skdict.activations import Activations
from skdict.inspection import summarize_features
from skdict.io import load_dictionary, save_dictionary
from tests.inspection.report.planted_pages import page_data

PAIR = "mlp_in.1", "mlp_out.1"
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two stores and a transcoder between them."""
    folder = tmp_path_factory.mktemp("transcoder")
    texts = folder / "texts.txt"
    texts.write_text("\n<|endoftext|>\n".join(load_stories().texts[:12]), encoding="utf-8")
    points = [part for point in PAIR for part in ("--hook-point", point)]
    assert run("extract", "--texts", texts, "--out", folder, *points, "--json") == 0
    acts, targets = (Activations.load(folder / point) for point in PAIR)
    options = {"activation": "topk", "target_l0": 4, "max_iter": 2, "random_state": 0}
    transcoder = SparseTranscoder(48, **options).fit(acts, targets)
    save_dictionary(transcoder, folder / "tc", metadata=acts.metadata)
    save_dictionary(IdentityDictionary().fit(acts), folder / "neurons")
    return folder


def test_show_with_and_without_targets(folder, capsys):
    store, targets = (folder / point for point in PAIR)
    transcoder, acts = load_dictionary(folder / "tc"), Activations.load(store)
    codes = transcoder.transform(acts)
    options = ("show", folder / "tc", store, "--features", "5,1")
    assert run(*options, "--targets", targets, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    measures, fvu = shown["measures"], 1 - transcoder.score(acts, Activations.load(targets))
    assert measures["fvu"] == pytest.approx(fvu, abs=1e-5)
    assert measures["l0"] == pytest.approx(codes.nnz / len(acts))
    summaries = summarize_features(codes, acts, [5, 1])
    assert [one["density"] for one in shown["features"]] == [one.density for one in summaries]
    assert run(*options, "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["features"] == shown["features"]
    assert alone["measures"] == {
        name: value for name, value in measures.items() if not name.startswith("fvu")
    }
    assert run(*options) == 0
    told = capsys.readouterr().out
    fires = f"{codes.nnz / len(acts):.1f} of 48 features fire per token"
    assert told.startswith(f"On {len(acts)} rows: {fires}")
    assert "variance unexplained is left out; pass --targets to measure it." in told
    assert run(*options, "--targets", targets) == 0
    told = capsys.readouterr().out
    assert f"fraction of the targets' variance unexplained {fvu:.4g}; {fires}" in told
    assert told.splitlines()[-1].endswith(f"report {folder / 'tc'} {store} --targets {targets}")


def test_report_with_and_without_targets(folder, tmp_path, capsys):
    store, targets = (folder / point for point in PAIR)
    transcoder = load_dictionary(folder / "tc")
    fvu = 1 - transcoder.score(*map(Activations.load, (store, targets)))
    options = ("report", folder / "tc", store, "--out", tmp_path / "r.html", "--n-explained", 4)
    assert run(*options, "--targets", targets) == 0
    code = textwrap.dedent(capsys.readouterr().out.split("in Python:\n\n")[1])
    data = page_data(tmp_path / "r.html")
    assert data["summary"]["fvu"] == pytest.approx(fvu, rel=1e-3)
    assert ["predicted hook point", "mlp_out.1"] in data["about"]
    assert data["interpretation"]["n_scored"] > 0
    # The code steers the transcoder at its pair of hook points.
    assert f"with intervene(model, {PAIR!r}, transcoder, Steer(feature, value)):" in code
    exec(compile(code, "next step", "exec"), {})
    assert "Once upon a time" in capsys.readouterr().out.splitlines()[-1]
    assert run(*options) == 0
    code = textwrap.dedent(capsys.readouterr().out.split("in Python:\n\n")[1])
    assert "fvu" not in page_data(tmp_path / "r.html")["summary"]
    assert "Steer" not in code
    exec(compile(code, "next step", "exec"), {})
    assert capsys.readouterr().out.startswith("feature ")


@pytest.mark.parametrize("command", ["show", "report"])
def test_targets_that_do_not_fit(command, folder, tmp_path, capsys):
    store, targets = (folder / point for point in PAIR)
    Activations.load(targets)[:50].save(tmp_path / "short")
    wider = Activations.load(targets)
    columns = {name: getattr(wider, name) for name in ("documents", "positions", "token_ids")}
    Activations(np.tile(np.asarray(wider), 2), **columns).save(tmp_path / "wider")
    for dictionary, given, message in (
        ("neurons", targets, "--targets is for transcoders, but"),
        ("tc", tmp_path / "short", "rows but y has 50"),
        ("tc", tmp_path / "wider", "y has 256 columns but SparseTranscoder predicts 128"),
    ):
        out = ("--out", tmp_path / "r.html", "--n-explained", 0) if command == "report" else ()
        assert run(command, folder / dictionary, store, "--targets", given, *out) != 0
        told = capsys.readouterr().err
        assert message in told and "Traceback" not in told
        assert not (tmp_path / "r.html").exists()
