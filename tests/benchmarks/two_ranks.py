"""Measure fits shared by two processes of one thread beside one process of two threads.

    python tests/benchmarks/two_ranks.py

Each way fits the same dictionary to the same memory-mapped rows for a few steps, in turns. The
table gives the time of a step, the share of it that the processes spend on communication, waiting
for each other included, and the peak memory of a process beyond imports and rows, in units of that
of one process. The goal is less than 60 % of the memory with ``shard="components"``.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from measuring import describe_machine, print_table
from memory import Peak

from skdict import SparseDictionaryAutoencoder
from skdict._core import Trainer, _processes
from skdict.decomposition._schedule import Schedule

WAYS = {"one process, two threads": None, "rows": "rows", "components": "components"}
COLLECTIVES = ("sum_", "max_", "broadcast_", "gather", "gather_objects", "joined")
WARM_UP = 5
GOAL = 0.6


def main():
    """Run every way in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=576, help="columns of the rows")
    parser.add_argument("--components", type=int, default=65536, help="features")
    parser.add_argument("--batch-size", type=int, default=1024, help="rows of a step")
    parser.add_argument("--steps", type=int, default=30, help="steps of a fit")
    parser.add_argument("--rounds", type=int, default=3, help="fits of each way")
    parser.add_argument("--activation", default="topk", help="activation of the dictionary")
    parser.add_argument("--target-l0", type=float, default=32, help="codes per row")
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        work(args)
        return
    describe_machine()
    found = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        args.rows = str(Path(folder) / "rows.npy")
        rng = np.random.default_rng(0)
        shape = 16 * args.batch_size, args.width
        np.save(args.rows, rng.standard_normal(shape, dtype=np.float32))
        for _ in range(args.rounds):
            for way in WAYS:
                found[way].append(launch(way, args))
    report(found, args)


def launch(way, args):
    """Run one way in processes of its own; return the mean of what they measure."""
    n_processes = 1 if WAYS[way] is None else 2
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_processes)]
    options = {k.replace("_", "-"): v for k, v in vars(args).items() if k != "rounds"}
    arguments = [f"--{name}={value}" for name, value in (options | {"way": way}).items()]
    threads = {"OMP_NUM_THREADS": str(2 // n_processes)}
    done = subprocess.run(
        [*command, __file__, *arguments],
        env=os.environ | threads | {"NUMBA_NUM_THREADS": threads["OMP_NUM_THREADS"]},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {name: statistics.mean(one[name] for one in found) for name in found[0]}


def work(args):
    """Fit in this process, and print what it measures as JSON."""
    dist.init_process_group("gloo")
    seconds, waiting = [], [0.0]
    rows = np.load(args.rows, mmap_mode="r")
    # Import what a fit needs, and compile its loops.
    SparseDictionaryAutoencoder(64, activation="topk", max_iter=1, device="cpu").fit(rows[:2048])
    target = args.target_l0 if args.activation != "topk" else int(args.target_l0)
    sae = SparseDictionaryAutoencoder(
        args.components,
        activation=args.activation,
        target_l0=target,
        tied_weights=False,
        batch_size=args.batch_size,
        max_iter=1,
        shard=WAYS[args.way],
        random_state=0,
        device="cpu",
    )
    patches = [mock.patch.object(Schedule, "min_steps", args.steps)]
    patches.append(mock.patch.object(Trainer, "step", timed_step(seconds, waiting)))
    for name in COLLECTIVES:
        timed = timed_call(getattr(_processes.Processes, name), waiting)
        patches.append(mock.patch.object(_processes.Processes, name, timed))
    for patch in patches:
        patch.start()
    with Peak() as peak:
        sae.fit(rows)
    steps, waits = zip(*seconds[WARM_UP:], strict=True)
    found = {"seconds": statistics.median(steps), "share": sum(waits) / sum(steps)}
    print(json.dumps(found | {"megabytes": peak.peak - peak.before}))
    dist.destroy_process_group()


def timed_step(seconds, waiting):
    """Return `Trainer.step` that records its time and how much of it was communication."""
    plain = Trainer.step

    def step(self, *arguments):
        start, before = time.perf_counter(), waiting[0]
        plain(self, *arguments)
        seconds.append((time.perf_counter() - start, waiting[0] - before))

    return step


def timed_call(plain, waiting):
    """Return a collective operation that adds its time to a sum."""

    def call(self, *arguments):
        start = time.perf_counter()
        result = plain(self, *arguments)
        waiting[0] += time.perf_counter() - start
        return result

    return call


def report(found, args):
    """Print the table."""
    medians = {
        way: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        for way, runs in found.items()
    }
    alone = next(iter(medians.values()))
    print_table(
        f"{args.activation}, width {args.width}, {args.components} features, batches of "
        f"{args.batch_size}, {args.steps} steps, {torch.__version__}",
        ["", "ms a step", "times one process", "communication", "MB", "of one process", "goal"],
        [
            [
                way,
                1e3 * one["seconds"],
                one["seconds"] / alone["seconds"],
                one["share"],
                one["megabytes"],
                one["megabytes"] / alone["megabytes"],
                GOAL if way == "components" else "",
            ]
            for way, one in medians.items()
        ],
    )


if __name__ == "__main__":
    main()
