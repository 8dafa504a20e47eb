"""Two jobs on one folder: the second is refused before its work, and the first is undisturbed."""

import os
import signal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from skdict import Activations, SparseDictionaryAutoencoder
from skdict._files import Lock
from skdict.activations import ActivationsWriter
from skdict.io import _resumable_fit, fit_resumable, load_dictionary, save_dictionary
from tests.test_faults import command, server, start

__all__ = ["server"]


def rows():
    return np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)


def activations():
    return Activations(rows(), documents=range(60), positions=[0] * 60, token_ids=[0] * 60)


def new(**options):
    return SparseDictionaryAutoencoder(8, max_iter=2, random_state=0, device="cpu", **options)


@cache
def fitted():
    return new().fit(rows())


def fit_by_command(folder):
    activations().save(folder.parent / "rows")
    raise_for(command("fit", folder.parent / "rows", "--out", folder, "--n-components", 8))


def extract_by_command(folder):
    (folder.parent / "texts.txt").write_text("one text of many words\n\nanother text of words")
    raise_for(command("extract", "--texts", folder.parent / "texts.txt", "--out", folder))


def raise_for(code):
    assert code == 1
    raise FileExistsError("told on stderr")


WRITERS = {
    "Activations.save": lambda folder: activations().save(folder),
    "ActivationsWriter": ActivationsWriter,
    "save_dictionary": lambda folder: save_dictionary(fitted(), folder),
    "SAELens": lambda folder: save_dictionary(fitted(), folder, format="saelens"),
    "fit_resumable": lambda folder: fit_resumable(new(), rows(), folder),
    "fit": fit_by_command,
    "extract": extract_by_command,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_writer_is_refused_while_another_writes(write, tmp_path, monkeypatch, capsys):
    def work(*arguments):
        pytest.fail("the work began")

    with Lock(tmp_path / "out"), monkeypatch.context() as patch:
        patch.setattr(_resumable_fit, "fit_autoencoder", work)
        with pytest.raises(FileExistsError) as error:
            write(tmp_path / "out")
    assert "is writing to" in str(error.value) + capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def fit_by_seed(store, out, seed):
    options = ("--n-components", 8, "--max-iter", 2)
    return command("fit", store, "--out", out, "--seed", seed, *options)


def test_of_two_fits_at_once_one_is_refused(server, tmp_path):
    activations().save(tmp_path / "rows")
    (tmp_path / "log").mkdir()
    out = tmp_path / "out"
    with Lock(out):
        second = start(server, tmp_path / "log", fit_by_seed, tmp_path / "rows", out, 1)
    assert second.code == 1
    assert "is writing to" in second.told
    first = start(server, tmp_path / "log", fit_by_seed, tmp_path / "rows", out, 0)
    assert first.code == 0, first.told
    assert load_dictionary(out).metadata_["fit"]["seed"] == 0


def die_at_rename(folder, fatal):
    save_dictionary(new(alpha=0.3).fit(rows()), folder)
    plain, calls = Path.rename, []

    def rename(self, target):
        calls.append(target)
        if len(calls) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, target)

    Path.rename = rename
    fit_resumable(new(), rows(), folder)


def fit_again(folder):
    fit_resumable(new(), rows(), folder)


@pytest.mark.parametrize("fatal", [1, 2])
def test_a_fit_killed_at_the_crossover_is_finished_by_the_same_call(server, tmp_path, fatal):
    (tmp_path / "saved").mkdir()
    folder = tmp_path / "saved" / "sae"
    run = start(server, tmp_path, die_at_rename, folder, fatal)
    assert run.code == -signal.SIGKILL, run.told
    assert folder.exists() == (fatal == 1)
    assert load_dictionary(folder).alpha == 0.3
    for out in (folder, tmp_path / "whole"):
        again = start(server, tmp_path, fit_again, out)
        assert again.code == 0, again.told
    resumed, whole = load_dictionary(folder), load_dictionary(tmp_path / "whole")
    assert resumed.alpha == whole.alpha != 0.3
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    assert [path.name for path in folder.parent.iterdir()] == ["sae"]
