"""`extract` estimates its cost without reading the texts twice, and refuses before it reads."""

import shutil
import warnings
from collections import namedtuple

import numpy as np
import pytest

from skdict import ActivationExtractor, load_stories
from skdict.__main__ import main
from skdict._cli._extraction_cost import check_space, row_bytes
from skdict._cli._text_lengths import measure_lengths
from skdict.activations import Activations
from skdict.exceptions import OutlierWarning
from skdict.feature_extraction import NoRowsError, _extraction

STORIES = load_stories()
TEXTS = STORIES.texts[:12]
POINTS = ("resid_post.0", "mlp_act.1")


def reading_of(**options):
    extractor = ActivationExtractor(STORIES.model, POINTS[0], **options)
    reading = extractor._reading()
    reading.hook_points = POINTS
    return extractor, reading


@pytest.fixture
def extract(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n<|endoftext|>\n".join(TEXTS), encoding="utf-8")
    points = [part for point in POINTS for part in ("--hook-point", point)]

    def run(*options):
        arguments = ["extract", "--texts", path, "--out", tmp_path / "out", *points, *options]
        return main([*map(str, arguments), "--texts-per-shard", "4"])

    return run


def fail(*arguments, **options):
    raise AssertionError("the model was run")


def test_nothing_is_read_for_a_refused_or_finished_folder(extract, tmp_path, monkeypatch, capsys):
    assert extract() == 0
    capsys.readouterr()
    monkeypatch.setattr(_extraction.Reading, "run", fail)
    assert extract("--skip-first", 2) == 1
    told = capsys.readouterr().err
    assert "skip_first was 1 and is now 2" in told and "tokens" not in told
    assert extract() == 0
    told = capsys.readouterr().err
    assert "12 of 12 texts are already done" in told and "on disk" not in told
    # The same would run the model if there were something to read.
    shutil.rmtree(tmp_path / "out" / POINTS[1])
    assert extract() == 1
    assert "the model was run" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_sizes_are_those_of_the_arrays_on_disk(extract, tmp_path, dtype):
    assert extract("--dtype", dtype) == 0
    extractor, reading = reading_of(dtype=dtype)
    n_rows = np.array(measure_lengths(extractor, TEXTS).n_rows)
    for point, size in row_bytes(reading, TEXTS, n_rows).items():
        stored = sum(np.load(p).nbytes for p in (tmp_path / "out" / point).glob("*/*.npy"))
        assert stored == n_rows.sum() * size


@pytest.mark.parametrize("long_texts", ["truncate", "split"])
def test_an_estimate_reads_a_few_tokens_of_one_text(long_texts):
    texts = [" ".join(TEXTS), *TEXTS]
    extractor, reading = reading_of(max_length=512, long_texts=long_texts)
    n_rows, counted = np.array(measure_lengths(extractor, texts).n_rows), []
    model, _, _ = reading.check()
    handle = model.get_input_embeddings().register_forward_pre_hook(
        lambda module, given: counted.append(given[0].numel())
    )
    with handle:
        row_bytes(reading, texts, n_rows)
    assert 0 < sum(counted) < 100 < n_rows.max()
    assert reading.token_counts.n_tokens == 0


def test_texts_without_rows_are_refused():
    extractor, reading = reading_of(skip_first=5)
    n_rows = np.array(measure_lengths(extractor, ["a", "b"]).n_rows)
    with pytest.raises(NoRowsError, match="after the first skip_first=5"):
        row_bytes(reading, ["a", "b"], n_rows)


def test_space_is_needed_for_the_remaining_texts_only(tmp_path, monkeypatch):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(500, 0, 500))
    n_rows, sizes = np.array([40, 3, 2]), {"a": 100, "b": 20}
    check_space(tmp_path, n_rows, sizes, {"a": 2, "b": 1})
    check_space(tmp_path, n_rows, sizes, {"a": 3, "b": 1})
    with pytest.raises(ValueError, match="need about 600 B, but only 500 B are free"):
        check_space(tmp_path, n_rows, sizes, {"a": 1, "b": 1})


def test_a_run_that_fails_before_its_first_rows_leaves_the_folder_free(
    extract, tmp_path, monkeypatch, capsys
):
    assert extract("--long-texts", "raise", "--max-length", 20) == 1
    assert "more than the 20 that the model reads at once" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with monkeypatch.context() as patch:
        # Fail on the first shard, after the settings are saved.
        patch.setattr("skdict._cli.extract.Stores.append", fail)
        assert extract("--dtype", "float16") == 1
    assert (tmp_path / "out" / "settings.json").is_file()
    assert extract("--long-texts", "split", "--max-length", 20) == 0
    assert len(Activations.load(tmp_path / "out" / POINTS[0])) > 0


def test_outliers_are_reported_once(extract, monkeypatch, capsys):
    def warn(activations, hook_point):
        if hook_point == POINTS[0]:
            warnings.warn(f"odd rows among {len(activations)}", OutlierWarning, stacklevel=1)

    monkeypatch.setattr(_extraction, "warn_of_outliers", warn)
    assert extract() == 0
    told = capsys.readouterr().err
    extractor, _ = reading_of()
    n_rows = sum(measure_lengths(extractor, TEXTS[:4]).n_rows)
    assert told.count("odd rows") == 1
    assert f"skdict: warning: odd rows among {n_rows}\n" in told
