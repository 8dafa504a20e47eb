"""Sections of speed.py: one step from a trained state, its equality, and the dense step."""

from functools import partial

import numpy as np
import torch
from measuring import fastest_of, measure_in_turns, median_ratios, print_table, rounds_of
from methods import Ours, PlainLoop, installed, step_recipes

from skdict._core import L1, NONLINEARITIES, Tensors, Trainer, calibrate_bias, random_tensors
from skdict._core._adam import Adam
from skdict._core._backends import Dense, is_compiled
from skdict._core._model import Model
from skdict._core._objectives import whole
from skdict._core._products import multiplier
from skdict._core._step import take_step
from skdict.datasets import make_sparse_features

BATCH_ROWS = 4096
N_BATCHES = 8
# Times faster: than the fastest L1 peer, and than sparsify's TopK step.
GOALS = {
    (2048, "portable"): (7, 4),
    (2048, "compiled"): (11, 5),
    (8192, "portable"): (8.5, 3),
    (8192, "compiled"): (14, 5),
}
KINDS = {"l1": "the fastest L1 peer", "topk": "the fastest TopK peer"}


def scaled_rows(n_rows, width):
    """Return planted rows with zero mean and unit mean square norm."""
    data = make_sparse_features(
        n_rows, n_features=width, n_components=4 * width, n_active=20, decay=1.0, random_state=0
    )
    rows = torch.from_numpy(data.X)
    rows -= rows.mean(0)
    return rows.div_(rows.square().sum(1).mean().sqrt())


def trained_state(rows, n_components, alpha, n_steps, nonlinearity=None):
    """Return components and biases after some steps of ours, by default with relu."""
    generator = torch.Generator().manual_seed(0)
    nonlinearity = nonlinearity or NONLINEARITIES["relu"]()
    tensors = random_tensors(
        n_components,
        rows.shape[1],
        tied=True,
        nonlinearity=nonlinearity,
        generator=generator,
        dtype=rows.dtype,
        device=rows.device,
    )
    tensors.bias.copy_(calibrate_bias(tensors.encoder, rows[:8192], 0.03))
    settings = {"learning_rate": 3e-3, "batch_size": 1024, "product_dtype": rows.dtype}
    trainer = Trainer(tensors, nonlinearity, L1(alpha), **settings)
    for step in range(n_steps):
        chosen = torch.randint(len(rows), (1024,), generator=generator)
        trainer.step(rows[chosen], min(1.0, 5 * (1 - step / n_steps)))
    return tensors.components, tensors.bias


def measure_steps(args):
    """Print what a step costs each method, from one trained state on the same batches."""
    rows = scaled_rows(N_BATCHES * BATCH_ROWS, args.width)
    for n_components in args.components:
        state = trained_state(rows, n_components, args.alpha, args.warm_steps)
        _measure(rows, state, n_components, args)
        if args.equality_steps:
            _show_equality(rows, state, n_components, args)


def _measure(rows, state, n_components, args):
    recipes = installed(step_recipes())
    batches = rows.view(N_BATCHES, BATCH_ROWS, -1)
    seconds, peaks, l0 = measure_in_turns(recipes, batches, state, args)
    fastest = fastest_of(recipes, seconds, KINDS)
    leanest = min(peaks[r.name] for r in recipes if r.kind == "l1")
    table = []
    for recipe in recipes:
        mine, ours = seconds[recipe.name], recipe.kind == "ours"
        goals = GOALS.get((n_components, recipe.name.split()[-1]), (None, None))
        row = [recipe.name, 1e3 * np.median(mine), BATCH_ROWS / np.median(mine), l0[recipe.name]]
        for rival, goal in zip(fastest.values(), goals, strict=True):
            row.append(median_ratios(seconds[rival], mine) if ours and rival else None)
            row.append(goal if ours else None)
        peak_mb = peaks[recipe.name]
        table.append([*row, peak_mb, leanest / peak_mb if ours else None])
    print_table(
        f"One step, {args.width} wide, {n_components} components, batches of {BATCH_ROWS}, "
        f"median of {args.rounds} rounds",
        ["", "ms", "rows/s", "L0", "x L1", "goal", "x TopK", "goal", "peak MB", "leaner"],
        table,
    )
    print("  " + "; ".join(f"{KINDS[k]} is {v}" for k, v in fastest.items() if v))
    print("  peak MB: beyond imports and data; leaner: than the leanest L1 peer, goal 2 at 8192")


def _show_equality(rows, state, n_components, args):
    """Print where some float64 steps from one state on the same batches lead."""
    rows = rows.double()
    held_out, trained = rows[:2048], rows[2048:].split(args.equality_rows)
    options = {"alpha": args.alpha, "learning_rate": 1e-3}
    methods = {
        "plain tied loop": PlainLoop(args.width, n_components, args.equality_rows, **options)
    }
    for name, compiled in ways():
        methods[f"skdict, {name}"] = Ours(
            args.width, n_components, args.equality_rows, compiled=compiled, **options
        )
    table = []
    for name, method in methods.items():
        method.load(*(tensor.double() for tensor in state))
        for step in range(args.equality_steps):
            method.step(trained[step % (len(trained) - 1)])
        with torch.no_grad():
            codes = method.codes(held_out)
            error = (method.decode(codes) - held_out).square().sum()
            fvu = error / (held_out - held_out.mean(0)).square().sum()
            active = codes > 0
        l0, living = active.sum() / len(active), active.any(0).sum()
        table.append([name, f"{fvu:.9f}", f"{l0:.4f}", str(int(living))])
    print_table(
        f"The same after {args.equality_steps} float64 steps on {args.equality_rows} rows each, "
        f"{n_components} components",
        ["", "held-out FVU", "L0", "living"],
        table,
    )


def ways():
    """Return the ways of ours that are there, with whether they are compiled."""
    return [("portable", False), ("compiled", True)][: 1 + is_compiled()]


def measure_dense(args):
    """Print the rate of a step over all codes beside that of the products alone."""
    table = []
    for n_components in args.components:
        rows = scaled_rows(BATCH_ROWS, args.width)
        directions = torch.nn.functional.normalize(torch.randn(n_components, args.width))
        # A quarter of all codes is active.
        bias = -(rows[:512] @ directions.T).quantile(0.75, dim=0)
        tensors = Tensors({"components": directions, "bias": bias})
        ours = multiplier(rows.dtype, rows.dtype, rows.device)
        model = Model(tensors, NONLINEARITIES["relu"](), L1(0.1), whole(n_components))
        step = partial(take_step, Dense(ours, BATCH_ROWS), model, Adam(tensors))
        ones = rows.new_ones(BATCH_ROWS)
        codes = torch.empty(BATCH_ROWS, n_components)
        works = {
            "step": partial(step, rows, ones, BATCH_ROWS, 1e-6),
            "product": lambda ours=ours, rows=rows, d=directions, c=codes: ours(rows, d.T, c),
            "default": lambda rows=rows, d=directions, c=codes: torch.mm(rows, d.T, out=c),
        }
        rounds_of(works, 1)
        seconds = {k: np.median(v) for k, v in rounds_of(works, 3 * args.rounds).items()}
        work = 2e-9 * BATCH_ROWS * n_components * args.width
        rate = work / min(seconds["product"], seconds["default"])
        achieved = 5 * work / seconds["step"]
        table.append([str(n_components), 1e3 * seconds["step"], achieved, rate, achieved / rate])
    print_table(
        "A step over all codes (5 products), GFLOP/s of products",
        ["components", "ms", "step", "product alone", "share (goal 0.75)"],
        table,
    )
