"""Speed and memory of training and encoding, beside other libraries where they are installed.

Ratios are medians over rounds that go through all methods in turn, each in a process of its own
for steps and memory. Peers are installed as peers.txt says. Linux only.

Run: python tests/benchmarks/speed.py [--only step dense] [--components 2048]
Within a minute: --only step --components 512 --width 128 --rounds 1 --warm-steps 50
"""

import argparse
import warnings

from measuring import describe_machine
from speed_codes import measure_transform
from speed_crossover import measure_crossover
from speed_fits import measure_growth, measure_path, measure_planted, measure_time_to_loss
from speed_selection import measure_selection
from speed_steps import measure_dense, measure_steps

SECTIONS = {
    "step": measure_steps,
    "selection": measure_selection,
    "dense": measure_dense,
    "crossover": measure_crossover,
    "loss": measure_time_to_loss,
    "planted": measure_planted,
    "path": measure_path,
    "transform": measure_transform,
    "growth": measure_growth,
}


def main():
    """Measure the sections asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", default=list(SECTIONS), choices=list(SECTIONS))
    add("--width", type=int, default=512)
    add("--components", type=int, nargs="+", default=[2048, 8192], help="of steps")
    add("--rounds", type=int, default=3)
    add("--round-seconds", type=float, default=1.0, help="of each method, two steps at least")
    add("--alpha", type=float, default=0.1, help="of steps and fits")
    add("--warm-steps", type=int, default=500, help="before steps are measured")
    add("--equality-steps", type=int, default=50)
    add("--equality-rows", type=int, default=512)
    add("--rows", type=int, default=1_000_000, help="of the fit to the plain loop's loss")
    add("--planted-rows", type=int, default=200_000)
    add("--path-rows", type=int, default=102_400)
    add("--transform-rows", type=int, default=1_000_000)
    add("--growth-rows", type=int, default=102_400)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    describe_machine()
    for name in args.only:
        SECTIONS[name](args)


if __name__ == "__main__":
    main()
