"""Sections of speed.py: whole fits, to a loss, to planted features, over a path, and growing."""

import itertools
import time

import numpy as np
import torch
from measuring import print_table
from methods import Ours, PlainLoop, Recipe, SAELens, installed
from speed_steps import scaled_rows, ways

from skdict import SparseDictionaryAutoencoder, sparse_dictionary_path
from skdict._core import NONLINEARITIES, calibrate_bias, random_tensors
from skdict.datasets import make_sparse_features
from skdict.decomposition import count_steps
from skdict.metrics import max_cosine_similarity

BATCH_ROWS = 1024
BLOCK_ROWS = 20 * BATCH_ROWS
HELD_OUT = 8192
N_COMPONENTS = 2048
# Sums in another order end a hair's breadth beside each other.
SAME_LOSS = 1 + 1e-4
MOST_EPOCHS = 15
ENOUGH_FVU, ENOUGH_COSINE = 0.155, 0.95


def calibrated_start(rows, n_components):
    """Return random directions with biases that fire on 3 % of rows."""
    generator = torch.Generator().manual_seed(0)
    shape = (n_components, rows.shape[1])
    tensors = random_tensors(
        *shape,
        tied=True,
        nonlinearity=NONLINEARITIES["relu"](),
        generator=generator,
        dtype=rows.dtype,
        device=rows.device,
    )
    return tensors.components, calibrate_bias(tensors.encoder, rows[:8192], 0.03)


@torch.no_grad()
def loss_on(method, rows, alpha):
    """Return the objective on held-out rows."""
    total = 0.0
    for part in rows.split(2048):
        codes = method.codes(part)
        total += float((method.decode(codes) - part).square().sum() + alpha * codes.sum())
    return total / len(rows)


def shuffled(rows, n_epochs):
    """Yield batches of all rows in random order, epoch after epoch."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(n_epochs):
        for chosen in torch.randperm(len(rows), generator=generator).split(BATCH_ROWS):
            yield rows[chosen]


def train(method, batches, n_steps, enough=None):
    """Train, until a test that is made now and then and not timed says that it is enough.

    Returns
    -------
    (float, int)
        Seconds and steps.
    """
    seconds, step = 0.0, 0
    look = max(1, n_steps // 50)
    start = time.perf_counter()
    for step, batch in enumerate(batches, 1):
        method.step(batch)
        if enough and (step % look == 0 or step == n_steps):
            seconds += time.perf_counter() - start
            if enough(method):
                return seconds, step
            start = time.perf_counter()
    return seconds + time.perf_counter() - start, step


def measure_time_to_loss(args):
    """Print how long it takes to the held-out loss of two epochs of the plain loop."""
    rows = scaled_rows(args.rows + HELD_OUT, args.width)
    held_out, rows = rows[:HELD_OUT], rows[HELD_OUT:]
    start = calibrated_start(rows, N_COMPONENTS)
    shape = (args.width, N_COMPONENTS, BATCH_ROWS)
    n_steps = 2 * -(-len(rows) // BATCH_ROWS)
    plain = PlainLoop(*shape, alpha=args.alpha)
    plain.load(*start)
    plain_seconds, _ = train(plain, shuffled(rows, 2), n_steps)
    goal = loss_on(plain, held_out, args.alpha)
    table = [["plain tied loop, 2 epochs", plain_seconds, str(n_steps), f"{goal:.6f}", None]]
    for name, compiled in ways():
        began = time.perf_counter()
        method = Ours(*shape, compiled=compiled, alpha=args.alpha)
        method.load(*start)
        making = time.perf_counter() - began
        seconds, steps = train(
            method,
            shuffled(rows, 2),
            n_steps,
            lambda m: loss_on(m, held_out, args.alpha) <= goal * SAME_LOSS,
        )
        seconds += making
        loss = f"{loss_on(method, held_out, args.alpha):.6f}"
        table.append(
            [f"skdict's steps, {name}", seconds, str(steps), loss, plain_seconds / seconds]
        )
    began = time.perf_counter()
    sae = SparseDictionaryAutoencoder(N_COMPONENTS, alpha=args.alpha, max_iter=1, random_state=0)
    sae.fit(rows.numpy())
    seconds = time.perf_counter() - began
    codes = sae.transform(held_out.numpy())
    error = np.square(sae.inverse_transform(codes) - held_out.numpy()).sum()
    loss = (error + args.alpha * codes.sum()) / len(held_out)
    row = ["skdict's fit, max_iter=1", seconds, str(sae.n_steps_), f"{loss:.6f}"]
    table.append([*row, plain_seconds / seconds if loss <= goal * SAME_LOSS else None])
    print_table(
        f"To the plain loop's held-out loss, {len(rows)} rows, {args.width} wide, "
        f"{N_COMPONENTS} components, batches of {BATCH_ROWS}",
        ["", "seconds", "steps", "loss", "x (goal 5)"],
        table,
    )


def measure_planted(args):
    """Print the seconds to a held-out FVU and a mean best cosine with planted features."""
    data = make_sparse_features(args.planted_rows + HELD_OUT, random_state=0)
    held_out, rows = data.X[:HELD_OUT], data.X[HELD_OUT:]
    ways_of_ours = {"partial_fit": _ours_block_by_block, "fit": _ours_in_one_fit}
    table = [
        [f"skdict, package defaults, {name}", *way(rows, held_out, data.components), None]
        for name, way in ways_of_ours.items()
    ]
    recipes = [
        Recipe(f"SAELens, l1 {l1:g}, lr {rate:g}", "l1", SAELens, {"l1": l1, "learning_rate": rate})
        for l1, rate in ((1.0, 3e-4), (2.0, 3e-4), (2.0, 1e-3))
    ]
    for recipe in installed(recipes):
        seconds, *reached = _peer_to_features(recipe, rows, held_out, data.components)
        table.append([recipe.name, seconds, *reached, seconds / table[0][1]])
    for row in table:
        if row[2] > ENOUGH_FVU or row[3] < ENOUGH_COSINE:
            row[0] += ", not reached"
    print_table(
        f"Seconds to held-out FVU {ENOUGH_FVU} and cosine {ENOUGH_COSINE}, 128 wide, 256 planted, "
        f"512 components, {args.planted_rows} rows",
        ["", "seconds", "FVU", "cosine", "L0", "x partial_fit (goal 10)"],
        table,
    )


def quality(codes, rebuilt, held_out, atoms, planted):
    """Return held-out FVU, mean best cosine and L0."""
    error = np.square(rebuilt - held_out, dtype=np.float64).sum()
    fvu = error / np.square(held_out - held_out.mean(0), dtype=np.float64).sum()
    return fvu, max_cosine_similarity(planted, atoms).mean(), (codes > 0).sum() / len(held_out)


def _quality_of(sae, held_out, planted):
    codes = sae.transform(held_out)
    return quality(codes, sae.inverse_transform(codes), held_out, sae.components_, planted)


def _ours_block_by_block(rows, held_out, planted):
    """Return seconds and what was reached, by partial_fit on small blocks."""
    sae, seconds = SparseDictionaryAutoencoder(512, random_state=0), 0.0
    for start in itertools.chain(*[range(0, len(rows), BLOCK_ROWS)] * MOST_EPOCHS):
        began = time.perf_counter()
        sae.partial_fit(rows[start : start + BLOCK_ROWS])
        seconds += time.perf_counter() - began
        reached = _quality_of(sae, held_out, planted)
        if reached[0] <= ENOUGH_FVU and reached[1] >= ENOUGH_COSINE:
            break
    return seconds, *reached


def _ours_in_one_fit(rows, held_out, planted):
    """Return seconds and what was reached, by one fit of as few epochs as suffice."""
    for n_epochs in range(1, MOST_EPOCHS + 1):
        sae = SparseDictionaryAutoencoder(512, max_iter=n_epochs, random_state=0)
        began = time.perf_counter()
        sae.fit(rows)
        seconds = time.perf_counter() - began
        reached = _quality_of(sae, held_out, planted)
        if reached[0] <= ENOUGH_FVU and reached[1] >= ENOUGH_COSINE:
            break
    return seconds, *reached


def _peer_to_features(recipe, rows, held_out, planted):
    rows, held_out = torch.from_numpy(rows), torch.from_numpy(held_out)
    scale = recipe.method.scale(rows)
    rows, held_out = rows * scale, held_out * scale
    torch.manual_seed(0)
    method = recipe.make(rows.shape[1], 512, BATCH_ROWS)
    reached = None

    @torch.no_grad()
    def enough(method):
        nonlocal reached
        codes = method.codes(held_out)
        rebuilt = method.decode(codes).numpy()
        atoms = method.atoms().numpy()
        reached = quality(codes.numpy(), rebuilt, held_out.numpy(), atoms, planted)
        return reached[0] <= ENOUGH_FVU and reached[1] >= ENOUGH_COSINE

    n_steps = MOST_EPOCHS * -(-len(rows) // BATCH_ROWS)
    seconds, _ = train(method, shuffled(rows, MOST_EPOCHS), n_steps, enough)
    return seconds, *reached


def measure_path(args):
    """Print what eight alphas cost in one path, in separate fits, and by the plain loop."""
    rows, alphas = scaled_rows(args.path_rows, args.width), np.geomspace(0.02, 0.5, 8)
    start = calibrated_start(rows, N_COMPONENTS)
    options = {"max_iter": 1, "random_state": 0}
    # An epoch of few rows is several passes over them.
    n_steps, n_passes = count_steps(len(rows), BATCH_ROWS)

    def plain():
        for alpha in alphas:
            method = PlainLoop(args.width, N_COMPONENTS, BATCH_ROWS, alpha=float(alpha))
            method.load(*start)
            train(method, shuffled(rows, n_passes), n_steps)

    def separate():
        for alpha in alphas:
            SparseDictionaryAutoencoder(N_COMPONENTS, alpha=alpha, **options).fit(rows.numpy())

    def path():
        sparse_dictionary_path(rows.numpy(), alphas, n_components=N_COMPONENTS, **options)

    seconds = {}
    for work in (plain, separate, path):
        began = time.perf_counter()
        work()
        seconds[work.__name__] = time.perf_counter() - began
    names = {"plain": "8 plain loops", "separate": "8 fits", "path": "one path"}
    print_table(
        f"8 alphas from 0.02 to 0.5, {len(rows)} rows, {n_steps} steps each, {args.width} wide, "
        f"{N_COMPONENTS} components",
        ["", "seconds", "x plain (goal 8)", "x separate fits (goal 1)"],
        [
            [text, seconds[n], seconds["plain"] / seconds[n], seconds["separate"] / seconds[n]]
            for n, text in names.items()
        ],
    )


def measure_growth(args):
    """Print how the time of a fit grows as rows, components or width double."""
    base = {"rows": args.growth_rows, "components": 1024, "width": 256}
    cases = [("base", base), *((f"{k} doubled", base | {k: 2 * base[k]}) for k in base)]
    # What is loaded, compiled or measured once a process is not growth.
    SparseDictionaryAutoencoder(1024, max_iter=1).fit(scaled_rows(10_000, base["width"]).numpy())
    table = []
    for name, case in cases:
        X = make_sparse_features(
            case["rows"], n_features=case["width"], n_components=512, decay=1.0, random_state=0
        ).X
        sae = SparseDictionaryAutoencoder(case["components"], max_iter=2, random_state=0)
        began = time.perf_counter()
        sae.fit(X)
        seconds = time.perf_counter() - began
        growth = seconds / table[0][1] if table else 1.0
        table.append([name, seconds, growth, sae.history_[-1]["l0"]])
    print_table(
        "Growth of a fit of two epochs: " + ", ".join(f"{v} {k}" for k, v in base.items()),
        ["", "seconds", "x base", "L0"],
        table,
    )
