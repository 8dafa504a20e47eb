"""Shared by the benchmarks of speed: what runs where, in turns, with how much memory."""

import itertools
import multiprocessing
import platform
import statistics
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from memory import Peak
from methods import import_all

LIBRARIES = (
    "skdict",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "sae-lens",
    "dictionary-learning",
    "overcomplete",
    "eai-sparsify",
)
# Ours tries each kind of screening three times first, as it does again every 200 batches.
WARM_UP_STEPS = {"l1": 2, "topk": 2, "batch_topk": 2, "ours": 12}


def describe_machine():
    """Print the processor, threads and versions that the figures belong to."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    names = ("model name", "cpu family", "model")
    processor = ", ".join(f"{name} {facts[name]}" for name in names if name in facts)
    special = [f for f in ("avx512_bf16", "avx512_vnni", "amx_bf16") if f in facts["flags"]]
    print(f"{processor}, {' '.join(special)}; {torch.get_num_threads()} threads")
    print(f"Python {platform.python_version()}, " + ", ".join(map(_with_version, LIBRARIES)))


def _with_version(name):
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} absent"


def print_table(title, columns, rows):
    """Print rows of cells under a title, each column as wide as it needs."""
    table = [columns, *[[cell(value) for value in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(f"\n{title}")
    for row in table:
        first, *rest = (
            text.ljust(w) if i == 0 else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *rest]), flush=True)


def cell(value):
    """Return a value as text: four digits, or a dash for None."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.4g}"


def median_ratios(slow, fast):
    """Return the median over rounds of how many times longer one took."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def rounds_of(works, n_rounds):
    """Return seconds by name, each round going through all works in turn."""
    seconds = {name: [] for name in works}
    for _ in range(n_rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return seconds


class Worker:
    """A method in a process of its own, which trains when it is told to.

    Parameters
    ----------
    recipe : Recipe
        What it trains.
    folder : Path
        With `batches.npy` of shape (batches, n, d), `components.npy` and `bias.npy`.

    Its memory is what it takes beyond imports and data at most, until warmed up.
    """

    def __init__(self, recipe, folder):
        context = multiprocessing.get_context("spawn")
        self._kind = recipe.kind
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, recipe, folder))
        self._process.start()
        far_end.close()

    def make(self):
        """Make the method, train for some steps, and return the peak of memory in MB.

        One worker at a time: what measures what is fast here must be alone.
        """
        self._pipe.send(WARM_UP_STEPS[self._kind])
        return self._pipe.recv()

    def seconds(self, round_seconds):
        """Return the median seconds of the steps, two at least, that fill a round."""
        self._pipe.send(round_seconds)
        return self._pipe.recv()

    def close(self):
        """Stop, and return the L0 of the first batch."""
        self._pipe.send(0)
        l0 = self._pipe.recv()
        self._process.join()
        return l0


def measure_in_turns(recipes, rows, state, args):
    """Return seconds of each round, peak of memory and L0 of each recipe, by name.

    All start from one state, components and biases, and take the same batches of rows
    (batches, n, d).
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        arrays = {"batches": rows, "components": state[0], "bias": state[1]}
        for name, tensor in arrays.items():
            np.save(folder / f"{name}.npy", tensor.numpy())
        workers = {recipe.name: Worker(recipe, folder) for recipe in recipes}
        peaks = {name: worker.make() for name, worker in workers.items()}
        seconds = {name: [] for name in workers}
        for _ in range(args.rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.seconds(args.round_seconds))
        return seconds, peaks, {name: worker.close() for name, worker in workers.items()}


def fastest_of(recipes, seconds, kinds):
    """Return the name of the recipe of each kind with the smallest median, or None."""
    return {
        kind: min(
            (r.name for r in recipes if r.kind == kind),
            default=None,
            key=lambda name: np.median(seconds[name]),
        )
        for kind in kinds
    }


def _serve(pipe, recipe, folder):
    import_all(recipe.method.modules)
    batches = torch.from_numpy(np.load(folder / "batches.npy"))
    state = [torch.from_numpy(np.load(folder / f"{n}.npy")) for n in ("components", "bias")]
    n_steps = pipe.recv()
    with Peak() as peak:
        method = recipe.make(batches.shape[2], len(state[1]), batches.shape[1])
        method.load(*state)
        turns = itertools.cycle(batches)
        for batch in itertools.islice(turns, n_steps):
            method.step(batch)
    pipe.send(peak.peak - peak.before)
    while round_seconds := pipe.recv():
        seconds = []
        while len(seconds) < 2 or sum(seconds) < round_seconds:
            batch = next(turns)
            start = time.perf_counter()
            method.step(batch)
            seconds.append(time.perf_counter() - start)
        pipe.send(statistics.median(seconds))
    with torch.no_grad():
        pipe.send(float((method.codes(batches[0]) > 0).sum(1).float().mean()))
