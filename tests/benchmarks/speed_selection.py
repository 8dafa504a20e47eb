"""The section of speed.py on a step of TopK and BatchTopK."""

import numpy as np
from measuring import fastest_of, measure_in_turns, median_ratios, print_table
from methods import installed, selecting_recipes
from speed_steps import BATCH_ROWS, N_BATCHES, scaled_rows, trained_state

from skdict._core import NONLINEARITIES

K = 32
# Steps of these take at most so many times as long as our BatchTopK step.
MOST = {
    "skdict BatchTopK, three levels": 1.5,
    "skdict BatchTopK, AuxK": 1.3,
    "skdict BatchTopK, AuxK, 10 % dead": 1.3,
    "skdict JumpReLU": 1.5,
}
# Times faster than the fastest TopK peer, and than the plain BatchTopK loop; compiled.
GOALS = {("TopK", 2048): 4, ("TopK", 8192): 6, ("BatchTopK", 2048): 5, ("BatchTopK", 8192): 5}


def measure_selection(args):
    """Print what a step costs each method, from one state that TopK has trained."""
    rows = scaled_rows(N_BATCHES * BATCH_ROWS, args.width)
    for n_components in args.components:
        topk = NONLINEARITIES["topk"](K)
        state = trained_state(rows, n_components, 0.0, args.warm_steps, topk)
        _measure(rows, state, n_components, args)


def _measure(rows, state, n_components, args):
    recipes = installed(selecting_recipes(K))
    batches = rows.view(N_BATCHES, BATCH_ROWS, -1)
    seconds, peaks, l0 = measure_in_turns(recipes, batches, state, args)
    rivals = fastest_of(recipes, seconds, ("topk", "batch_topk"))
    plain = recipes[-len(MOST) - 1].name
    leanest = min(peaks[r.name] for r in recipes if r.kind != "ours")
    table = []
    for recipe in recipes:
        name, ours = recipe.name, recipe.kind == "ours"
        rival = rivals[recipe.options["activation"]] if ours and name not in MOST else None
        goal = GOALS.get((name.split()[1].strip(","), n_components)) if "compiled" in name else None
        if name in MOST:
            rival, goal = plain, 1 / MOST[name]
        ratio = median_ratios(seconds[rival], seconds[name]) if rival else None
        cells = [name, 1e3 * np.median(seconds[name]), l0[name], ratio, goal, peaks[name]]
        table.append([*cells, leanest / peaks[name] if ours else None])
    print_table(
        f"One step with k = {K}, {n_components} components, batches of {BATCH_ROWS}, median of "
        f"{args.rounds} rounds",
        ["", "ms", "L0", "x faster", "goal", "peak MB", "leaner (goal 2)"],
        table,
    )
    print(
        f"  TopK beside {rivals['topk']}, BatchTopK beside {rivals['batch_topk']}, the others "
        f"beside {plain}"
    )
