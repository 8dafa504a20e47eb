"""Every figure and table of the paper, by one command.

Runs the scripts of this folder, two at a time, and leaves their tables and figures in one folder::

    python examples/paper --out paper
    python examples/paper --out paper --only fvu_l0 living_features
    python examples/paper --out pythia --model EleutherAI/pythia-70m-deduped --text pile.txt

A script that has left its summary is not run again, so the same command goes on where it was
stopped. What a script prints is in ``NAME.log``. Each takes at most ten minutes on two cores.
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
    """Return the options, and those for every script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS)
    parser.add_argument("--jobs", type=int, default=2, help="scripts at a time")
    return parser.parse_known_args()


def run(name, out, options):
    """Run a script on one core, and return its name, exit code and seconds."""
    if (out / f"{name}_summary.csv").is_file():
        print(f"{name}: done before", flush=True)
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
    """Run all, and exit with 1 if any failed."""
    args, options = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = list(pool.map(lambda name: run(name, args.out, options), args.only))
    failed = [name for name, code in runs if code]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
