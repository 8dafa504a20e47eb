"""Section of speed.py: the share of active entries up to which going over these alone is faster."""

import numpy as np
import torch
from measuring import print_table, rounds_of

from skdict._core import L1, NONLINEARITIES, Tensors
from skdict._core._adam import Adam
from skdict._core._backends import Compiled, Dense, Portable, is_compiled
from skdict._core._model import Model
from skdict._core._objectives import whole
from skdict._core._plan import most_active
from skdict._core._products import multiplier
from skdict._core._screening.bounds import Screen
from skdict._core._step import take_step

WIDTHS = (64, 128, 256, 512, 1024)
SHARES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
N_ROWS, N_COMPONENTS = 1024, 2048


def measure_crossover(args):
    """Print, for each width, the seconds of a step over few entries divided by one over all."""
    backends = {"portable": Portable} | ({"compiled": Compiled} if is_compiled() else {})
    for name, backend in backends.items():
        rows = []
        for width in WIDTHS:
            limit = f"{most_active(width, name == 'compiled'):.3f}"
            rows.append([str(width), *ratios(backend, width, args.rounds), limit])
        title = f"{name}: time of a step over few entries / over all, by share of active entries"
        print_table(title, ["width", *map(str, SHARES), "used up to"], rows)


def ratios(backend, width, rounds):
    """Return the ratio of times at each share."""
    generator = torch.Generator().manual_seed(0)
    x, components = (torch.randn(k, width, generator=generator) for k in (N_ROWS, N_COMPONENTS))
    components /= components.norm(dim=1, keepdim=True)
    ordered = (x @ components.T).flatten().sort(descending=True).values
    found = []
    for share in SHARES:
        bias = torch.full((N_COMPONENTS,), -float(ordered[int(share * len(ordered))]))
        dense = Dense(multiplier(x.dtype, x.dtype, x.device), N_ROWS)
        works = {"few": stepper(backend(), x, components, bias)}
        works["all"] = stepper(dense, x, components, bias)
        rounds_of(works, 1)
        seconds = {k: np.median(v) for k, v in rounds_of(works, 3 * rounds).items()}
        found.append(seconds["few"] / seconds["all"])
    return found


def stepper(backend, x, components, bias):
    """Return a callable that takes a step which moves nothing."""
    tensors = Tensors({"components": components.clone(), "bias": bias.clone()})
    adam, weights = Adam(tensors), x.new_ones(len(x))
    relu = NONLINEARITIES["relu"]()
    model = Model(tensors, relu, L1(0.1), whole(len(components)))

    def step():
        screen = Screen(tensors.encoder, tensors.bias, "full")
        take_step(backend, model, adam, x, weights, len(x), 0.0, screen)

    return step
