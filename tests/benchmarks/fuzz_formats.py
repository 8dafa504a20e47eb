"""Damage the files of every published family at random, until each had its number of mutations.

Every layout of tests/io/formats/layouts is written and damaged again and again: bytes, JSON,
headers, tensors, names, files of other kinds. Loading must raise ValueError or OSError with the
path in its message, or give a dictionary; it must not run code, take a gigabyte or take 20 seconds.
Prints the counts of each family and every finding, and exits with 1 if there is one.

Run: python tests/benchmarks/fuzz_formats.py --mutations 10000 --minutes 60
"""

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.measuring import print_table
from tests.fuzzing import campaign
from tests.io.formats.layouts import CASES
from tests.io.formats.test_damage import reader

ROUND = 50
OUTCOMES = ("refused", "accepted", "same")


def family_of(name, folder):
    """Return the format of a layout."""
    return CASES[name](folder / "format", np.float32).format


def fuzz(names, n_mutations, minutes, seed):
    """Return counts of outcomes by family, and the findings."""
    counts, findings, end = defaultdict(Counter), [], time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        families = {name: family_of(name, Path(folder) / name) for name in names}
    while names and time.monotonic() < end:
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                folder = Path(folder)
                found, examples = campaign(
                    reader(name, folder / "layout"), folder / "campaign", ROUND, seed
                )
            counts[families[name]].update(found)
            findings += examples
        seed += 1
        names = [name for name in names if counts[families[name]].total() < n_mutations]
    return counts, findings


def main():
    """Run the campaign and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=10_000, help="of each family, or more")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first round")
    parser.add_argument("--family", help="only layouts whose name starts like this")
    options = parser.parse_args()
    names = [name for name in CASES if name.startswith(options.family or "")]
    counts, findings = fuzz(names, options.mutations, options.minutes, options.seed)
    rows = [
        [family, sum(found.values()), *(found[outcome] for outcome in OUTCOMES)]
        for family, found in sorted(counts.items())
    ]
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    print_table("Damaged files", ["family", "mutations", *OUTCOMES], [*rows, ["all", *total]])
    print(f"{len(findings)} findings")
    print("\n".join(findings))
    sys.exit(int(bool(findings)))


if __name__ == "__main__":
    main()
