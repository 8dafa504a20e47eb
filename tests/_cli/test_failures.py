"""Whatever goes wrong is one line on standard error, and an exit code that says so."""

import os
import signal
import subprocess
import sys
import time

import pytest

from skdict.__main__ import main
from skdict._cli import show
from skdict._cli._terminal import show as show_text

FIT = ("fit", "a", "--out", "b")


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "skdict", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        RuntimeError("first line\nsecond line"),
        RecursionError("too deep"),
        MemoryError(),
        AssertionError(),
        ValueError("steers \x1b[2J the terminal"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ZeroDivisionError("division by zero"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_error_is_one_line(monkeypatch, capsys, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(show, "load_source", fail)
    assert main(["show", "a", "b"]) == 1
    shown, told = capsys.readouterr()
    assert shown == "" and told.startswith("skdict: error: ") and told.count("\n") == 1
    assert told[:-1].isprintable() and len(told) > len("skdict: error: \n")


def test_a_traceback_is_shown_on_request(monkeypatch):
    monkeypatch.setenv("SKDICT_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        main(["show", "nowhere", "nowhere"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND; see skdict --help"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["fit", "--max-iter", "many"], "invalid int value: 'many'"),
        (["fit", "--unknown", "3"], "unrecognized arguments: --unknown"),
        (["show", "a", "b", "--features", "x"], "'x' is not a list of features; pass numbers"),
        ([*FIT, "--learning-rate", "inf"], "--learning-rate=inf is not accepted: pass"),
        ([*FIT, "--learning-rate", "1e6"], "pass a number > 0 and <= 1"),
        ([*FIT, "--max-iter", "0"], "--max-iter=0"),
        ([*FIT, "--seed", "-1"], "--seed=-1"),
        (["fit", "a", "--out", "/proc/x"], "--out='/proc/x' cannot be written to"),
        (["extract", "--out", "/proc/x"], "--out='/proc/x' cannot be written to"),
        (["extract", "--out", "x", "--batch-size", "0"], "--batch-size=0"),
        (["demo", "--out", "/proc/x"], "--out='/proc/x' cannot be written to"),
        (["report", "a", "b", "--out", "/proc/x"], "--out='/proc/x' cannot be written to"),
    ],
)
def test_arguments_are_refused_before_anything_is_read(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [2, 14])
def test_too_few_texts_are_refused_before_training(tmp_path, capsys, n):
    (tmp_path / "texts.txt").write_text("\n\n".join(["Once upon a time."] * n))
    assert (
        main(["demo", "--texts", str(tmp_path / "texts.txt"), "--out", str(tmp_path / "out")]) == 1
    )
    assert f"contains {n} texts; pass at least 15" in capsys.readouterr().err


def test_texts_of_others_do_not_steer_the_terminal(capsys):
    show_text("a\x1b[2J\u202eb\nc")
    assert capsys.readouterr().out == "a\\x1b[2J\\u202eb\nc\n"


@pytest.mark.parametrize("seconds", [0.4, 1.2])
def test_an_interruption_while_loading_is_one_line(seconds):
    process = started("demo", "--help")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    # On a fast machine it may be done before.
    assert (process.returncode, told) in ((130, "skdict: interrupted\n"), (0, ""))


def test_an_interruption_of_the_first_import_is_one_line(tmp_path):
    # A package that takes long to load, and says when it begins.
    slow = "print('loading', flush=True)\nimport time\ntime.sleep(60)\n"
    (tmp_path / "sklearn.py").write_text(slow)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-m", "skdict", "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "skdict: interrupted\n")


def test_a_reader_that_leaves_is_no_traceback():
    process = started("demo", "--help")
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) in (0, 1) and "Traceback" not in told
