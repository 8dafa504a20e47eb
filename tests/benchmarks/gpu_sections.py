"""Sections of a long script that share one table, a time limit and nothing else."""

import csv
import os
import sys
import time

from gpu_measuring import release
from measuring import cell, print_table

COLUMNS = ["section", "way", "value", "unit", "times plain", "share of peak", "peak MB"]
# A section is begun only while this many seconds remain; the slowest should take about as long.
RESERVE = 30


class Table:
    """Rows of the table, complete at any moment, since a section may never return."""

    def __init__(self):
        self.rows, self.failed, self.running = [], False, "the start"
        self.peaks = {}

    def add(self, section, way, value=None, unit="", plain=None, share=None, megabytes=None):
        """Add a row and print it at once."""
        self.rows.append([section, way, value, unit, plain, share, megabytes])
        print(" | ".join(map(cell, self.rows[-1])), flush=True)

    def write(self, folder):
        """Print the table and, if a folder is given, write it as Markdown and CSV."""
        print_table("GPU benchmarks", COLUMNS, self.rows)
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        cells = [[cell(value).replace("|", "/") for value in row] for row in self.rows]
        lines = [COLUMNS, ["---"] * len(COLUMNS), *cells]
        text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        (folder / "gpu.md").write_text(text, encoding="utf-8")
        with open(folder / "gpu.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *self.rows])


def run_sections(sections, table, deadline):
    """Run each section, a name and a function of the table, unless too little time is left."""
    for name, work in sections:
        table.running = name
        left = deadline - time.monotonic()
        if left < RESERVE:
            table.add(name, f"SKIPPED: {left:.0f} s left of the time limit")
            continue
        try:
            work(table)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            table.add(name, f"FAILED: {type(error).__name__}: {first[:200]}")
            table.failed = True
        release()


def give_up(table, folder):
    """End the process when a section hangs, with the table as it is."""
    table.add(table.running, "FAILED: still running at the time limit")
    table.write(folder)
    sys.stdout.flush()
    os._exit(1)
