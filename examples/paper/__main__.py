"""Reproduce every figure and table of the paper.

Runs the scripts of this folder, two at a time, and writes their tables and figures to one folder::

    python examples/paper --out paper
    python examples/paper --out paper --only fvu_l0 living_features
    python examples/paper --out smollm2 --model smollm2 --text wikitext.txt stories.txt
    python examples/paper --out pythia --model EleutherAI/pythia-70m-deduped --text pile.txt

First the model reads all texts once; the scripts share its activations and the dictionaries fitted
on them. A script whose summary exists is not run again, and the others measure only what their
tables lack, so the same command resumes an interrupted run. The output of a script is in
``NAME.log``.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import paper_parser
from plan import SCRIPTS, hook_points_of, print_plan
from workspace import Workspace

FOLDER = Path(__file__).parent


def parse_args():
    """Return the options of this command, those of the scripts, and those passed on to them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    only = "scripts to run (default: all that have to do with the model)"
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, help=only)
    parser.add_argument("--jobs", type=int, default=2, help="number of scripts run at a time")
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    own, options = parser.parse_known_args()
    scripts, setting = paper_parser(__doc__)
    shared, _ = scripts.parse_known_args(options)
    if own.only is None:
        own.only = [name for name, s in SCRIPTS.items() if s.reads or shared.model is None]
    return own, shared, setting, options


def is_done(name, out):
    """Return True if a script has written its last file."""
    return (out / f"{name}_summary.csv").is_file()


def run(name, out, options):
    """Run a script on one core and return its name and exit code."""
    start = time.perf_counter()
    command = [sys.executable, FOLDER / f"{name}.py", *options]
    with (out / f"{name}.log").open("a", encoding="utf-8") as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        code = subprocess.run(command, stdout=log, stderr=log, env=environment).returncode
    status = "done" if code == 0 else f"FAILED, see {log.name}"
    print(f"{name}: {status}, {time.perf_counter() - start:.0f} s", flush=True)
    return name, code


def main():
    """Print the plan, read the texts, run the scripts, and exit with 1 if any failed."""
    own, shared, setting, options = parse_args()
    waiting = [name for name in own.only if not is_done(name, shared.out)]
    print_plan(shared.model or "bundled", own.only, waiting)
    if own.plan:
        return
    Workspace(shared).extract(hook_points_of(setting, waiting))
    with ThreadPoolExecutor(own.jobs) as pool:
        runs = list(pool.map(lambda name: run(name, shared.out, options), waiting))
    failed = [name for name, code in runs if code]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
