"""Every script of the paper runs, shrunk, and leaves its tables and its figure."""

import csv
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "paper"
NAMES = list(runpy.run_path(str(FOLDER / "plan.py"))["SCRIPTS"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, monkeypatch, tmp_path):
    monkeypatch.setenv("SKDICT_EXAMPLES_FAST", "1")
    command = [sys.executable, FOLDER, "--out", tmp_path, "--only", name]
    done = subprocess.run(command, capture_output=True, text=True)
    log = (tmp_path / f"{name}.log").read_text(encoding="utf-8")
    assert done.returncode == 0, log
    with (tmp_path / f"{name}_summary.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert rows and len(header) <= 8
    assert (tmp_path / f"{name}.csv").is_file()
    assert (tmp_path / f"{name}.png").is_file()


def test_titles_ask_a_question():
    for name in NAMES:
        source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        assert source.split("\n")[1].endswith("?"), name
