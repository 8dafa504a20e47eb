"""Commands that run as several processes: the same results, and a message if one cannot go on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from skdict import load_stories
from skdict.__main__ import main
from skdict._cli._extracted_blocks import ExtractedBlocks
from skdict._store import ActivationsWriter, is_finished, store_digest
from skdict.activations import Activations
from skdict.io import load_dictionary
from tests.in_processes import finish, run, start

POINTS = ("resid_post.0", "mlp_act.1")
KILLED = Path(__file__).with_name("killed_extract.py")


def tokens(n_documents, first=0):
    """Return activations of documents of 50 tokens."""
    n = 50 * n_documents
    return Activations(
        np.random.default_rng(first).standard_normal((n, 8)).astype("f"),
        documents=first + np.arange(n) // 50,
        positions=np.arange(n) % 50,
        token_ids=np.zeros(n, int),
        vocabulary=["a"],
    )


def extract_arguments(folder, out):
    """Return the arguments of an extraction from 18 texts in blocks of 3, one without rows."""
    stories = load_stories().texts
    texts = [*stories[:6], "a", "b", "c", *stories[6:15]]
    (folder / "texts.txt").write_text("\n<|endoftext|>\n".join(texts), encoding="utf-8")
    points = [part for point in POINTS for part in ("--hook-point", point)]
    options = ["--texts", folder / "texts.txt", *points, "--texts-per-shard", 3, "--json"]
    return ["extract", *options, "--out", out]


def test_a_store_adopts_the_shards_of_another(tmp_path):
    with ActivationsWriter(tmp_path / "whole") as writer:
        for first in (0, 4):
            writer.append(tokens(4, first), next_document=first + 4)
        writer.finish()
    for first in (0, 4):
        with ActivationsWriter(tmp_path / f"part {first}") as writer:
            writer.append(tokens(4, first), next_document=first + 4)
            writer.finish()
    with ActivationsWriter(tmp_path / "joined") as writer:
        writer.adopt(tmp_path / "part 0")
        with pytest.raises(ValueError, match="already written"):
            writer.adopt(tmp_path / "part 0")
        writer.adopt(tmp_path / "part 4")
        writer.finish()
    shutil.rmtree(tmp_path / "part 4")
    assert store_digest(tmp_path / "joined") == store_digest(tmp_path / "whole")
    joined = Activations.load(tmp_path / "joined", verify=True)
    np.testing.assert_array_equal(joined, Activations.load(tmp_path / "whole"))


def test_a_block_of_other_settings_is_not_done(tmp_path):
    blocks = ExtractedBlocks(tmp_path, {"p": {"model": "m"}})
    assert not blocks.are_done(0)
    with ActivationsWriter(blocks.stores(0)["p"], source={"model": "m", "first_text": 0}) as writer:
        writer.append(tokens(2))
        assert not blocks.are_done(0)
        writer.finish()
    assert blocks.are_done(0)
    assert not ExtractedBlocks(tmp_path, {"p": {"model": "other"}}).are_done(0)
    assert not is_finished(tmp_path / "none", {})


@pytest.mark.slow
def test_three_processes_one_of_them_killed_extract_what_one_does(tmp_path, capsys):
    assert main([*map(str, extract_arguments(tmp_path, tmp_path / "one"))]) == 0
    alone = json.loads(capsys.readouterr().out)
    arguments = extract_arguments(tmp_path, tmp_path / "three")
    ends = finish(start(KILLED, 3, *arguments, folder=tmp_path))
    assert [code for code, *_ in ends] == [1, 9, 1]
    for _, _, told in (ends[0], ends[2]):
        assert "lost contact with another process" in told
    for point in POINTS:
        with pytest.raises((FileNotFoundError, ValueError)):
            Activations.load(tmp_path / "three" / point)
        blocks = tmp_path / "three" / f".{point}.blocks"
        assert len([path for path in blocks.iterdir() if path.is_dir()]) >= 3
    told = json.loads(run("-m skdict", 3, *arguments, folder=tmp_path)[0])
    for point in POINTS:
        assert told["stores"][point]["digest"] == alone["stores"][point]["digest"]
    assert told["texts"] == alone["texts"]
    hidden = {path.name for path in (tmp_path / "three").iterdir()} - {*POINTS, "settings.json"}
    assert not hidden


@pytest.mark.slow
@pytest.mark.parametrize("shard", [None, "components"])
def test_two_processes_fit_what_one_does(shard, tmp_path, capsys):
    tokens(20).save(tmp_path / "acts")
    options = ["--n-components", 24, "--max-iter", 1, "--json", "--activation", "topk"]
    arguments = ["fit", tmp_path / "acts", *options, "--target-l0", 3, "--out"]
    assert main([*map(str, arguments), str(tmp_path / "one")]) == 0
    alone = json.loads(capsys.readouterr().out)
    arguments += [tmp_path / "two", *(["--shard", shard] if shard else [])]
    first, second = run("-m skdict", 2, *arguments, folder=tmp_path)
    assert second == ""
    assert json.loads(first)["training"] == pytest.approx(alone["training"], rel=1e-3)
    one, two = (load_dictionary(tmp_path / name) for name in ("one", "two"))
    np.testing.assert_allclose(two.components_, one.components_, atol=1e-3)
    # The same again finds the dictionary, whatever it was shared by.
    assert main([*map(str, arguments)]) == 0


@pytest.mark.slow
def test_a_store_that_one_process_lacks_stops_both(tmp_path):
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder in folders:
        folder.mkdir()
    tokens(4).save(folders[0] / "acts")
    arguments = ["fit", "acts", "--out", tmp_path / "sae", "--json"]
    ends = finish(start("-m skdict", 2, *arguments, folder=tmp_path, folders=folders))
    assert [code for code, *_ in ends] == [1, 1]
    assert "process 1 of the group failed, so all stop: FileNotFoundError" in ends[0][2]
    assert "'acts' has no activations.json" in ends[1][2]
    assert not (tmp_path / "sae").exists()
