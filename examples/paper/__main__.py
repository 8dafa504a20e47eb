"""Reproduce every figure and table of the paper.

Runs the scripts of this folder, two at a time, and writes their tables and figures to one folder::

    python examples/paper --out paper
    python examples/paper --out paper --only fvu_l0 living_features
    python examples/paper --out pythia --model EleutherAI/pythia-70m-deduped --text pile.txt

A script whose summary exists is not run again, so the same command resumes an interrupted run. The
output of a script is in ``NAME.log``. Each takes at most ten minutes on two cores.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
NOT_SCRIPTS = {"__main__", "common", "interpretability_judges"}
SCRIPTS = sorted({path.stem for path in FOLDER.glob("*.py")} - NOT_SCRIPTS)


def parse_args():
    """Return the options of this command and those passed on to the scripts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    only = {"choices": SCRIPTS, "default": SCRIPTS, "help": "scripts to run (default: all)"}
    parser.add_argument("--only", nargs="+", **only)
    parser.add_argument("--jobs", type=int, default=2, help="number of scripts run at a time")
    return parser.parse_known_args()


def run(name, out, options):
    """Run a script on one core and return its name and exit code."""
    if (out / f"{name}_summary.csv").is_file():
        print(f"{name}: already done", flush=True)
        return name, 0
    start = time.perf_counter()
    command = [sys.executable, FOLDER / f"{name}.py", "--out", out, *options]
    with (out / f"{name}.log").open("w", encoding="utf-8") as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        code = subprocess.run(command, stdout=log, stderr=log, env=environment).returncode
    status = "done" if code == 0 else f"FAILED, see {log.name}"
    print(f"{name}: {status}, {time.perf_counter() - start:.0f} s", flush=True)
    return name, code


def main():
    """Run the scripts and exit with 1 if any failed."""
    args, options = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = list(pool.map(lambda name: run(name, args.out, options), args.only))
    failed = [name for name, code in runs if code]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
