"""The script of GPU benchmarks keeps its sections apart, keeps its time limit, and runs."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).with_name("benchmarks")


@pytest.fixture
def sections(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_sections

    return gpu_sections


def fail(table):
    raise RuntimeError("no | kernel\nfor this")


def test_a_section_that_fails_does_not_stop_the_others(sections, tmp_path):
    table, soon = sections.Table(), time.monotonic() + 60
    good = ("good", lambda table: table.add("good", "way", 1.5, "ms"))
    sections.run_sections([good], table, soon)
    assert not table.failed
    sections.run_sections([("bad", fail), good], table, soon)
    assert table.failed
    table.write(tmp_path / "new")
    with open(tmp_path / "new" / "gpu.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows[1:]] == [
        ["good", "way", "1.5"],
        ["bad", "FAILED: RuntimeError: no | kernel", ""],
        ["good", "way", "1.5"],
    ]
    lines = (tmp_path / "new" / "gpu.md").read_text().splitlines()
    assert len(lines) == 5
    assert {line.count("|") for line in lines} == {8}


def test_what_no_longer_fits_into_the_time_is_skipped_and_named(sections):
    table = sections.Table()
    sections.run_sections([("late", fail)], table, time.monotonic() + 1)
    assert table.rows[0][0] == "late"
    assert table.rows[0][1].startswith("SKIPPED")


def test_a_section_that_hangs_is_named(sections, monkeypatch, tmp_path):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    table = sections.Table()
    table.running = "endless"
    sections.give_up(table, tmp_path)
    assert ends == [1]
    assert "endless" in (tmp_path / "gpu.md").read_text()


def test_without_a_gpu_it_says_how_to_check_the_script():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run()
    assert done.returncode == 1
    assert "--device cpu --quick" in done.stderr


@pytest.mark.slow
def test_every_section_runs_in_a_tiny_size(tmp_path):
    done = run("--device", "cpu", "--quick", "--minutes", "60", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "gpu.md").read_text()
    for words in ("topk, bfloat16", "stack of 8", "ActivationExtractor", "plain loop", "AuxK"):
        assert words in table


def run(*arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS / "gpu.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=BENCHMARKS.parents[1],
        env=os.environ | {"PYTHONPATH": str(BENCHMARKS.parents[1])},
    )
