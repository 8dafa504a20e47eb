"""Ctrl-C, a killed process and a full disk, at random moments of everything that writes.

Afterwards everything there is whole or clearly refused, and the same command goes on to the
same result.
"""

import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder, load_stories
from skdict.__main__ import main
from skdict._store import store_digest
from skdict.activations import Activations
from skdict.io import load_dictionary, save_dictionary

SIGNALS = (signal.SIGINT, signal.SIGKILL)
MOMENTS = pytest.mark.parametrize(
    "moments", [3, pytest.param(20, marks=pytest.mark.slow)], ids=["few", "many"]
)


@dataclass
class Run:
    """A process that was started, and how it ended."""

    code: int
    seconds: float
    told: str


@pytest.fixture(scope="module")
def server():
    """Processes that start with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "skdict._cli._commands", __name__])
    return context


def start(
    server, folder, work, *arguments, after=None, send=signal.SIGKILL, limit=None, begun="started"
):
    """Run work in a process, and send it a signal so many seconds after it has begun."""
    log, started = folder / "log.txt", folder / "started"
    begun = folder / begun
    started.unlink(missing_ok=True)
    begun.unlink(missing_ok=True)
    process = server.Process(target=_child, args=(work, arguments, str(log), str(started), limit))
    process.start()
    while not begun.exists():
        assert process.is_alive(), log.read_text()
        time.sleep(0.001)
    begin = time.perf_counter()
    if after is not None:
        process.join(after)
        if process.is_alive():
            os.kill(process.pid, send)
    process.join(100)
    seconds = time.perf_counter() - begin
    return Run(process.exitcode, seconds, log.read_text(errors="replace"))


def _child(work, arguments, log, started, limit):
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    import torch

    torch.set_num_threads(1)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    Path(started).touch()
    sys.exit(work(*arguments))


def spread(moments, seconds):
    """Return the seconds and the signal of so many moments, spread over the run time."""
    chance = random.Random(0)
    for number in range(moments):
        share = 0.05 + 0.95 * (number + chance.random()) / moments
        yield seconds * share, SIGNALS[number % 2]


def command(name, *arguments):
    return main([name, *map(str, arguments), "--device", "cpu"])


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n<|endoftext|>\n".join(load_stories().texts[:48]), encoding="utf-8")
    return path


def extract(texts, out):
    options = ("--hook-point", "resid_post.1", "--hook-point", "mlp_out.0", "--max-length", "48")
    return command(
        *("extract", "--texts", texts, "--out", out, *options),
        *("--texts-per-shard", "4", "--batch-size", "4"),
    )


STORES = ("resid_post.1", "mlp_out.0")


@pytest.fixture(scope="module")
def extracted(server, texts, tmp_path_factory):
    """An undisturbed extraction: its folder, digests and seconds."""
    folder = tmp_path_factory.mktemp("extracted")
    run = start(server, folder, extract, texts, folder / "out")
    assert run.code == 0, run.told
    digests = [store_digest(folder / "out" / name) for name in STORES]
    return folder / "out", digests, run.seconds


def is_whole_or_refused(folder, digest):
    """Whether a store is the undisturbed one; anything else must be refused."""
    try:
        Activations.load(folder, verify=True)
    except FileNotFoundError as error:
        assert "has no activations.json" in str(error)
        return False
    except ValueError as error:
        assert "is unfinished" in str(error)
        return False
    assert store_digest(folder) == digest
    return True


@MOMENTS
def test_extract_goes_on_to_the_same_store(server, texts, extracted, tmp_path, moments):
    _, digests, seconds = extracted
    codes = []
    for number, (after, send) in enumerate(spread(moments, seconds)):
        out = tmp_path / str(number)
        run = start(server, tmp_path, extract, texts, out, after=after, send=send)
        codes.append(run.code)
        assert run.code in ((0, 130) if send == signal.SIGINT else (0, -send)), run.told
        assert "Traceback" not in run.told
        if run.code == 130:
            assert "interrupted; finished work is kept, run the same command again" in run.told
        for name, digest in zip(STORES, digests, strict=True):
            whole = is_whole_or_refused(out / name, digest)
            assert whole or run.code != 0
        again = start(server, tmp_path, extract, texts, out)
        assert again.code == 0, again.told
        assert [store_digest(out / name) for name in STORES] == digests
        assert sorted(p.name for p in out.iterdir()) == sorted((*STORES, "settings.json"))
        assert not [p.name for p in (out / STORES[0]).iterdir() if p.name.startswith(".")]
    assert any(codes), "no run was interrupted"


def fit(store, out):
    options = ("--n-components", 64, "--batch-size", 64, "--max-iter", 6)
    return command("fit", store, "--out", out, *options)


@MOMENTS
def test_fit_goes_on_to_the_same_bits(server, extracted, tmp_path, moments):
    store = extracted[0] / STORES[0]
    run = start(server, tmp_path, fit, store, tmp_path / "whole")
    assert run.code == 0, run.told
    whole = load_dictionary(tmp_path / "whole")
    codes = []
    for number, (after, send) in enumerate(spread(moments, run.seconds)):
        out = tmp_path / str(number) / "sae"
        out.parent.mkdir()
        cut = start(server, tmp_path, fit, store, out, after=after, send=send)
        codes.append(cut.code)
        assert cut.code in ((0, 130) if send == signal.SIGINT else (0, -send)), cut.told
        try:
            np.testing.assert_array_equal(load_dictionary(out).components_, whole.components_)
        except FileNotFoundError:
            assert cut.code != 0
        again = start(server, tmp_path, fit, store, out)
        assert again.code == 0, again.told
        resumed = load_dictionary(out)
        for name in ("components_", "encoder_bias_", "firing_counts_"):
            np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
        assert resumed.history_ == whole.history_
        assert [p.name for p in out.parent.iterdir()] == ["sae"]
    assert any(codes), "no run was interrupted"


def save_activations_for_ever(folder):
    number = 0
    while True:
        numbered_activations(number).save(folder)
        (folder.parents[1] / "saved once").touch()
        number += 1


def numbered_activations(number):
    rows = np.full((5_000, 8), number, dtype="float32")
    columns = np.arange(5_000)
    table = {"documents": columns, "positions": columns, "token_ids": columns}
    return Activations(rows, **table, metadata={"number": number})


def check_activations(folder):
    acts = Activations.load(folder, verify=True)
    assert acts.shape == (5_000, 8)
    assert (np.asarray(acts) == acts.metadata["number"]).all()


def save_dictionaries_for_ever(folder):
    sae = SparseDictionaryAutoencoder(50, max_iter=1, random_state=0, device="cpu")
    sae.fit(np.random.default_rng(0).standard_normal((100, 40)))
    number = 0
    while True:
        sae.components_[:] = number
        save_dictionary(sae, folder, metadata={"number": number})
        (folder.parents[1] / "saved once").touch()
        number += 1


def check_dictionary(folder):
    sae = load_dictionary(folder)
    assert (sae.components_ == sae.metadata_["number"]).all()


@MOMENTS
@pytest.mark.parametrize(
    ("save", "check"),
    [
        (save_activations_for_ever, check_activations),
        (save_dictionaries_for_ever, check_dictionary),
    ],
)
def test_what_was_being_saved_is_whole(server, tmp_path, save, check, moments):
    (tmp_path / "saved").mkdir()
    it = tmp_path / "saved" / "it"
    for after, send in spread(moments, 0.3):
        run = start(server, tmp_path, save, it, after=after, send=send, begun="saved once")
        # An interrupted loop of saving ends with a traceback.
        assert run.code in (1, -send), run.told
        check(it)
        assert [p.name for p in (tmp_path / "saved").iterdir()] == ["it"]


def test_extract_on_a_full_disk_keeps_what_is_written(server, texts, extracted, tmp_path):
    out, digests = tmp_path / "out", extracted[1]
    run = start(server, tmp_path, extract, texts, out, limit=20_000)
    assert run.code == 1
    assert "skdict: error: " in run.told
    assert "could not be written" in run.told
    assert "free disk space and run again" in run.told
    for name in STORES:
        assert not is_whole_or_refused(out / name, None)
        assert [p.name for p in (out / name).iterdir()] == ["activations.json"]
    assert start(server, tmp_path, extract, texts, out).code == 0
    assert [store_digest(out / name) for name in STORES] == digests


def test_fit_on_a_full_disk_leaves_nothing_half(server, extracted, tmp_path):
    (tmp_path / "new").mkdir()
    out = tmp_path / "new" / "sae"
    store = extracted[0] / STORES[0]
    run = start(server, tmp_path, fit, store, out, limit=20_000)
    assert run.code == 1
    assert "sae.checkpoint.safetensors' could not be written" in run.told
    assert list(out.parent.iterdir()) == []


def save_over(folder):
    for save in (numbered_activations(1).save, _save_second):
        try:
            save(folder / save.__name__)
        except OSError as error:
            print(error)


def _save_second(folder):
    rows = np.random.default_rng(1).standard_normal((50, 40))
    save_dictionary(SparseDictionaryAutoencoder(200, max_iter=1).fit(rows), folder)


def test_saving_on_a_full_disk_leaves_what_was_there(server, tmp_path):
    (tmp_path / "saved").mkdir()
    numbered_activations(0).save(tmp_path / "saved" / "save")
    rows = np.random.default_rng(0).standard_normal((100, 40))
    sae = SparseDictionaryAutoencoder(50, max_iter=1, random_state=0).fit(rows)
    save_dictionary(sae, tmp_path / "saved" / "_save_second")
    run = start(server, tmp_path, save_over, tmp_path / "saved", limit=20_000)
    assert run.told.count("existing files are left unchanged") == 2, run.told
    assert Activations.load(tmp_path / "saved" / "save").metadata == {"number": 0}
    again = load_dictionary(tmp_path / "saved" / "_save_second")
    np.testing.assert_array_equal(again.components_, sae.components_)
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["_save_second", "save"]
