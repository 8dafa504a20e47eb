"""Seconds of a study, a comparison and a report, here and in another checkout, in turns.

Text and codes are those of `interpretation.py`: planted, Zipfian, made block by block.

Run: python tests/benchmarks/studies.py [--against FOLDER] [--tokens 300000] [--rounds 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
PARTS = ("interpreter", "comparison", "report")
# Imports come from the checkout that the process runs in.
MEASURE = """
import json, sys, time, warnings
sys.path[:0] = [sys.argv[1], sys.argv[2]]
warnings.simplefilter("ignore")
from interpretation import PlantedCodes, planted
from pathlib import Path
from skdict import FeatureInterpreter, InterpretabilityScorer, compare_dictionaries, write_report
from skdict.interpretation import DetectionScorer

acts, dictionary = planted(int(sys.argv[3])), PlantedCodes(1024, 24)

def comparison(acts):
    scorers = [InterpretabilityScorer(n_features=100), DetectionScorer(n_features=40)]
    compare_dictionaries({"planted": dictionary}, acts, acts, scorers=scorers)

page = Path(sys.argv[4]) / "report.html"
calls = {
    "interpreter": FeatureInterpreter(dictionary, sign="positive", random_state=0).fit,
    "comparison": comparison,
    "report": lambda acts: write_report(page, dictionary, acts, verbose=False),
}
seconds = {}
for name, call in calls.items():
    start = time.process_time()
    call(acts)
    seconds[name] = time.process_time() - start
print(json.dumps(seconds))
"""


def measured(checkout, n_tokens):
    """Return the processor seconds of each part in a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(checkout), str(Path(__file__).parent), str(n_tokens), folder]
        found = subprocess.run(
            [sys.executable, "-c", MEASURE, *arguments],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(found.stdout.splitlines()[-1])


def main():
    """Measure in turns, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--tokens", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    checkouts = [HERE] if args.against is None else [HERE, args.against]
    times = {checkout: [] for checkout in checkouts}
    start = time.perf_counter()
    for _ in range(args.rounds):
        for checkout in checkouts:
            times[checkout].append(measured(checkout, args.tokens))
    for part in PARTS:
        medians = [statistics.median(t[part] for t in times[c]) for c in checkouts]
        ratio = f", {medians[0] / medians[1]:.2f} of the other" if len(medians) > 1 else ""
        print(f"{part}: {', '.join(f'{m:.1f} s' for m in medians)}{ratio}")
    print(f"{args.rounds} rounds in turns, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
