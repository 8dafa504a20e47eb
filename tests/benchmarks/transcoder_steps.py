"""Measure what a training step of a transcoder costs beside one of an autoencoder.

    python tests/benchmarks/transcoder_steps.py

Targets are the rows, rotated, and the decoder of the transcoder starts as that of the autoencoder,
rotated alike, so both have the same codes. Weights are untied and hardly move, so L0 stays equal.
All take their steps in turns, on the same rows. The goal is at most 1.3 times the step of the
autoencoder, with and without a skip connection.
"""

import argparse
import statistics
import time

import torch
from measuring import describe_machine, print_table
from speed_steps import scaled_rows

from skdict._core import (
    L1,
    NONLINEARITIES,
    Tensors,
    Trainer,
    calibrate_bias,
    random_tensors,
)

GOAL = 1.3
NAMES = ("autoencoder", "transcoder", "with skip connection")


def main():
    """Print the milliseconds of a step and its ratio to that of the autoencoder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=576, help="columns of rows and targets")
    parser.add_argument("--components", type=int, default=4608, help="features")
    parser.add_argument("--target-l0", type=int, default=32, help="k of topk")
    parser.add_argument("--batch-size", type=int, default=1024, help="rows of a step")
    parser.add_argument("--rounds", type=int, default=30, help="steps of each that are timed")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time one thread by the processor time it takes, on a machine with other work",
    )
    args = parser.parse_args()
    if args.cpu_time:
        torch.set_num_threads(1)
    describe_machine()
    rows = scaled_rows(16 * args.batch_size, args.width)
    rotation = torch.linalg.qr(torch.randn(args.width, args.width)).Q
    table = []
    for kind in ("relu", "topk"):
        trainers = make_trainers(kind, rows, rotation, args)
        seconds = take_turns(trainers, rows, rows @ rotation, args)
        for name in NAMES:
            ratios = [t / base for t, base in zip(seconds[name], seconds[NAMES[0]], strict=True)]
            milliseconds = 1e3 * statistics.median(seconds[name])
            l0 = trainers[name].read(10)["l0"]
            table.append([f"{kind}, {name}", milliseconds, statistics.median(ratios), GOAL, l0])
    print_table(
        f"One step, {args.width} to {args.width}, {args.components} features, batches of "
        f"{args.batch_size}, median of {args.rounds} rounds",
        ["", "ms", "times the autoencoder", "goal", "L0"],
        table,
    )


def make_trainers(kind, rows, rotation, args):
    """Return the three trainers by name, which start with the same codes."""
    nonlinearity = NONLINEARITIES[kind](*([args.target_l0] if kind == "topk" else []))
    start = random_tensors(
        args.components,
        args.width,
        tied=False,
        nonlinearity=nonlinearity,
        generator=torch.Generator().manual_seed(0),
        dtype=rows.dtype,
        device=rows.device,
    )
    share = args.target_l0 / args.components
    start.bias.copy_(calibrate_bias(start.encoder, rows[:4096], share))
    options = {
        "learning_rate": 1e-6,
        "batch_size": args.batch_size,
        "product_dtype": rows.dtype,
        "silent_steps": 100 if kind == "topk" else None,
    }
    penalty, starts = L1(0.1 if kind == "relu" else 0.0), {NAMES[0]: dict(start)}
    starts[NAMES[1]] = dict(start) | {"components": start.components @ rotation}
    starts[NAMES[2]] = starts[NAMES[1]] | {"skip": torch.zeros(rotation.shape)}
    return {
        name: Trainer(
            Tensors({key: tensor.clone() for key, tensor in values.items()}),
            nonlinearity,
            penalty,
            **options,
        )
        for name, values in starts.items()
    }


def take_turns(trainers, rows, targets, args):
    """Return the seconds of each step by name; every trainer takes a step on each batch."""
    seconds = {name: [] for name in trainers}
    clock = time.thread_time if args.cpu_time else time.perf_counter
    batches = list(zip(rows.split(args.batch_size), targets.split(args.batch_size), strict=True))
    # The first steps compile loops and try each kind of screening.
    for step in range(12 + args.rounds):
        x, target = batches[step % len(batches)]
        for name, trainer in trainers.items():
            start = clock()
            trainer.step(x, target=None if name == NAMES[0] else target)
            if step >= 12:
                seconds[name].append(clock() - start)
    return seconds


if __name__ == "__main__":
    main()
