"""Run every GPU test and benchmark within eight minutes, and print one table.

    python tests/benchmarks/gpu.py [--out FOLDER]

A step counts as five matrix products, whichever way it is done; the share of the peak is that of a
large matrix product of the same dtype in the same run. "Times plain" compares with the loop of the
same section: above 1 is faster. A section that fails shows its error, the others still run, and the
script ends with exit code 1. Sections that no longer fit into the time are skipped, and the table
says so. With ``--device cpu --quick`` everything runs in tiny sizes, to check the script itself.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import torch
from gpu_extraction import Readers
from gpu_measuring import PeakMemory, milliseconds, release, synchronise
from gpu_sections import Table, give_up, run_sections
from gpu_steps import new_plain_step, new_rows, new_sparsify_step, new_stack, new_trainer
from measuring import describe_machine

TESTS = Path(__file__).parents[1]
ACTIVATIONS = ("relu", "topk", "batch_topk", "jumprelu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TEST_SECONDS = 150


@dataclass(frozen=True)
class Shape:
    """Sizes of a step, its device, and how long to time it."""

    n_rows: int
    width: int
    n_components: int
    k: int
    device: torch.device
    seconds: float


def measure_peak(device, size, table):
    """Measure the rate of a large matrix product in each dtype."""
    for name, dtype in DTYPES.items():
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        taken = milliseconds(lambda a=left, b=right: a @ b, device, 0.3)
        table.peaks[name] = 2 * size**3 / taken / 1e9
        table.add("peak", f"{name} product of {size} x {size}", table.peaks[name], "TFLOP/s")


def run_gpu_tests(device, table):
    """Run the tests marked gpu in a process of their own."""
    files = [p for p in sorted(TESTS.rglob("test_*.py")) if "mark.gpu" in p.read_text()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-n", "0", "-rf", *map(str, files)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=TEST_SECONDS,
    )
    print(done.stdout, done.stderr, flush=True)
    counts = re.findall(r"(\d+) (passed|failed|errors?|skipped)", done.stdout)
    table.add(
        "tests", f"pytest -m gpu, {', '.join(map(' '.join, counts))}", done.returncode, "exit"
    )
    # Without CUDA, every test is skipped.
    ran = any(kind == "passed" for _, kind in counts)
    if done.returncode or (device.type == "cuda" and not ran):
        raise RuntimeError("a GPU test failed or none ran; see the output above")


def time_step(table, section, way, make, shape, dtype_name, *, plain=None, n_stacked=1):
    """Time one way to take a step of a dictionary, add its row and return the milliseconds."""
    x = new_rows(shape)
    with PeakMemory(shape.device) as memory:
        step = make()
        taken = milliseconds(lambda: step(x), shape.device, shape.seconds) / n_stacked
    rate = 10 * shape.n_rows * shape.width * shape.n_components / taken / 1e9
    peak = table.peaks.get(dtype_name)
    share = None if peak is None else rate / peak
    faster = None if plain is None else plain / taken
    table.add(section, way, taken, "ms a step", faster, share, memory.megabytes)
    return taken


def time_plain(table, section, activation, shape, dtype_name):
    """Time the plain loop of an activation, add its row and return the milliseconds."""
    name, step = new_plain_step(activation, shape, DTYPES[dtype_name])
    return time_step(table, section, name, lambda: step, shape, dtype_name)


def time_activation(section, activation, dtype_name, shape, table):
    """Time the steps of one activation: a plain loop, ours, and peers."""
    dtype = DTYPES[dtype_name]
    options = table, section
    plain = time_plain(*options, activation, shape, dtype_name)
    release()
    ways = {"skdict": partial(new_trainer, activation, shape, dtype)}
    if activation in ("topk", "batch_topk"):
        ways["skdict, AuxK"] = partial(new_trainer, activation, shape, dtype, silent_steps=10**6)
    for way, make in ways.items():
        time_step(*options, way, lambda m=make: m().step, shape, dtype_name, plain=plain)
    if (activation, dtype_name) == ("topk", "bfloat16"):
        if importlib.util.find_spec("sparsify") is None:
            table.add(section, "sparsify, Adam: not installed")
        else:
            make = partial(new_sparsify_step, shape)
            time_step(*options, "sparsify, Adam", make, shape, dtype_name, plain=plain)


def time_stacks(section, activation, dtype_name, shape, table):
    """Time dictionaries stepped one by one and as stacks, per dictionary."""
    dtype, options = DTYPES[dtype_name], (table, section)
    plain = time_plain(*options, activation, shape, dtype_name)
    release()
    trainer = partial(new_trainer, activation, shape, dtype)
    time_step(*options, "one by one", lambda: trainer().step, shape, dtype_name, plain=plain)
    for n in (1, 8):
        make = partial(new_stack, activation, shape, dtype, n)
        way = f"stack of {n}, each"
        kept = {"plain": plain, "n_stacked": n}
        time_step(*options, way, lambda m=make: m().step, shape, dtype_name, **kept)


def time_extraction(section, device, dtype_name, quick, table):
    """Time both ways to read a layer, and compare their rows."""
    readers, rates = Readers(device, DTYPES[dtype_name], quick), {}
    rows = {}
    for way, read in (("plain hook loop", readers.plain), ("ActivationExtractor", readers.ours)):
        read()
        with PeakMemory(device) as memory:
            start = time.perf_counter()
            rows[way] = read()
            synchronise(device)
            rates[way] = len(rows[way]) / (time.perf_counter() - start)
        faster = rates[way] / rates["plain hook loop"]
        table.add(section, way, rates[way], "rows/s", faster, None, memory.megabytes)
    shapes = {way: tuple(array.shape) for way, array in rows.items()}
    if len(set(shapes.values())) > 1:
        raise RuntimeError(f"the rows differ in shape: {shapes}")


def all_sections(device, args):
    """Return the sections in the order of their importance."""
    quick = args.quick
    step = partial(Shape, device=device, seconds=0.01 if quick else 1.0)
    # Rows, width, features and k.
    large = (
        [(64, 32, 64, 4), (64, 32, 128, 4)]
        if quick
        else [
            (4096, 2048, 32768, 32),
            (4096, 2048, 131072, 32),
        ]
    )
    small = [(64, 16, 32, 4)] if quick else [(4096, 128, 512, 16), (4096, 512, 2048, 32)]
    sections = [
        ("peak", partial(measure_peak, device, 256 if quick else 8192)),
        ("tests", partial(run_gpu_tests, device)),
    ]
    sections += [
        (name := f"extraction, {dtype}", partial(time_extraction, name, device, dtype, quick))
        for dtype in DTYPES
    ]
    for sizes, activation, dtype in product(large, ACTIVATIONS, DTYPES):
        name = f"step, d={sizes[1]}, m={sizes[2]}, {activation}, {dtype}"
        sections.append((name, partial(time_activation, name, activation, dtype, step(*sizes))))
    # Last, because an error while a graph is recorded may leave the GPU unusable.
    for sizes, activation, dtype in product(small, ("relu", "batch_topk"), DTYPES):
        name = f"stack, d={sizes[1]}, m={sizes[2]}, {activation}, {dtype}"
        sections.append((name, partial(time_stacks, name, activation, dtype, step(*sizes))))
    return sections


def parse_arguments():
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to check the script")
    parser.add_argument("--minutes", type=float, default=8, help="time limit (default: 8)")
    parser.add_argument("--only", default="", help="run only sections whose name contains this")
    parser.add_argument("--out", type=Path, help="folder for the table as gpu.md and gpu.csv")
    return parser.parse_args()


def main():
    """Run all sections and print the table."""
    args = parse_arguments()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no GPU: torch.cuda.is_available() is False; see --device cpu --quick")
    device, table = torch.device(args.device), Table()
    describe_machine()
    if args.device == "cuda":
        print(torch.cuda.get_device_name(), "CUDA", torch.version.cuda)
    timer = threading.Timer(60 * args.minutes, give_up, (table, args.out))
    timer.daemon = True
    timer.start()
    deadline = time.monotonic() + 60 * args.minutes
    sections = all_sections(device, args)
    kept = [s for s in sections if s[0] == "peak" or args.only in s[0]]
    run_sections(kept, table, deadline)
    timer.cancel()
    table.write(args.out)
    sys.exit(int(table.failed))


if __name__ == "__main__":
    main()
