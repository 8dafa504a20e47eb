"""Dictionaries are converted on the command line, and those of other libraries are shown."""

import json
import shlex

import numpy as np
import pytest

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, SparseTranscoder, load_stories
from skdict.__main__ import main
from skdict.io import load_dictionary, save_dictionary

POINT = "resid_post.1"


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dictionary, a transcoder and a store."""
    folder, stories = tmp_path_factory.mktemp("convert"), load_stories()
    acts = ActivationExtractor(stories.model, POINT).fit_transform(stories.texts[:12])
    acts.save(folder / "acts")
    sae = SparseDictionaryAutoencoder(32, activation="topk", target_l0=4, max_iter=1)
    save_dictionary(sae.fit(acts), folder / "run" / "sae", metadata=acts.metadata)
    transcoder = SparseTranscoder(32, max_iter=1, random_state=0).fit(acts, acts)
    save_dictionary(transcoder, folder / "transcoder")
    return folder


@pytest.mark.parametrize("format", ["saelens", "dictionary_learning", "sparsify", "skdict"])
def test_codes_are_the_same_after_a_conversion(format, folder, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--subfolder", "sae", "--format", format, "--json")
    assert run("convert", folder / "run", out, *options) == 0
    results = json.loads(capsys.readouterr().out)
    assert (results["kind"], results["n_components"], results["width"]) == ("dictionary", 32, 128)
    assert results["settings"]["format"] == format
    rows = np.random.default_rng(0).standard_normal((50, 128)).astype(np.float32)
    one, other = load_dictionary(folder / "run" / "sae"), load_dictionary(out)
    codes = one.transform(rows).toarray()
    np.testing.assert_allclose(other.transform(rows).toarray(), codes, atol=1e-5)
    assert other.metadata_["hook_point"] == POINT
    assert other.metadata_["model"] == one.metadata_["model"]


def test_what_is_recorded_can_be_given(folder, tmp_path, capsys):
    options = ("--model", "m", "--hook-point", "mlp_in.3", "--target-hook-point", "mlp_out.3")
    command = ("convert", folder / "transcoder", tmp_path / "out", "--format", "circuit_tracer")
    assert run(*command, *options) == 0
    shown = capsys.readouterr().out
    assert "out: transcoder with 32 features of width 128, in the format circuit_tracer" in shown
    assert "It belongs to model m, hook_point mlp_in.3." in shown
    stated = load_dictionary(tmp_path / "out").metadata_
    assert (stated["model"], stated["target_hook_point"]) == ("m", "mlp_out.3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["SAE", "out", "--format", "circuit_tracer"],
            "cannot be written in the format of circuit",
        ),
        (["TRANSCODER", "out", "--format", "circuit_tracer"], "do not name one layer"),
        (["TRANSCODER", "out", "--format", "dictionary_learning"], "cannot be written in the form"),
        (["SAE", "out", "--format", "npz"], "invalid choice: 'npz'"),
        (["SAE", "out", "--source-format", "openai"], "none of these"),
        (["SAE"], "missing OUT"),
        (["nowhere", "out"], "'nowhere' does not exist"),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_line(arguments, message, folder, tmp_path, capsys):
    names = {"SAE": folder / "run" / "sae", "TRANSCODER": folder / "transcoder"}
    names["out"] = tmp_path / "out"
    assert run("convert", *[names.get(part, part) for part in arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert not list(tmp_path.iterdir())


def test_dictionaries_of_others_are_shown_and_reported(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("convert", folder / "run" / "sae", "published/sae", "--format", "saelens") == 0
    capsys.readouterr()
    options = ("--subfolder", "sae", "--source-format", "saelens")
    assert run("show", "published", folder / "acts", *options, "--n-features", 2) == 0
    step = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(step)[3:] == ["report", "published", str(folder / "acts"), *options]
    assert run(*shlex.split(step)[3:], "--n-explained", 0) == 0
    shown = capsys.readouterr().out
    assert "sae = load_dictionary('published', subfolder='sae', format='saelens')" in shown
    assert (tmp_path / "report.html").stat().st_size > 10_000
