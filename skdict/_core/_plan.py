"""How the next batch is best gone through, by what is measured on this machine."""

import time
from dataclasses import dataclass
from functools import partial

import torch

from skdict._core._active import PortableEncoder
from skdict._core._adam import Adam
from skdict._core._compiled import CompiledEncoder, CompiledStep
from skdict._core._parameters import Parameters
from skdict._core._products import best_seconds, multiplier
from skdict._core._screening import Screen
from skdict._core._screening_choice import ScreeningChoice
from skdict._core._steps import DenseStep, PortableStep

# Below so many multiply-adds a batch, measuring would cost more than the best way saves.
LEAST_WORK = 2**24
SAMPLE_ROWS = 64
# Costs are measured again after so many batches: what else the machine did passes.
BATCHES_BETWEEN_MEASUREMENTS = 500
_times = {}


@dataclass(frozen=True)
class Costs:
    """Seconds, at one width.

    Parameters
    ----------
    dense : float
        Of a step over all codes, for each row and component.
    find : float
        Of finding active codes by products in full precision, for each row and component.
    active : float
        Of the rest of a step, for each active code.
    """

    dense: float
    find: float
    active: float


class Plan:
    """Chooses between a step over all codes and one over active codes, and how to find these.

    How active codes are found changes no bit of the result; that all or only active codes are
    gone through changes the order of sums.

    Parameters
    ----------
    parameters : Parameters
        What is trained.
    batch_size : int
        Most rows in a batch.
    compiled : bool
        Whether compiled loops are used.

    Attributes
    ----------
    chooses : bool
        Whether there is a choice, so that `share_active` is to be kept up to date.
    share_active : float or None
        Share of codes that were active in the last batch; None where nothing is known yet.
    """

    def __init__(self, parameters, batch_size, compiled):
        self._parameters = parameters
        m, d = parameters.components.shape
        on_cpu = parameters.bias.device.type == "cpu"
        self.chooses = on_cpu and batch_size * m * d >= LEAST_WORK
        self._kind_of_work = d, parameters.bias.dtype, compiled
        self._choice = ScreeningChoice(parameters.encoder, parameters.bias, compiled)
        self.share_active = None

    def screen(self, x):
        """Return how to find the active codes of rows, or None for a step over all codes."""
        if not self.chooses:
            return None
        costs = current_costs(*self._kind_of_work)
        if self.share_active is None:
            sample = x[:SAMPLE_ROWS] @ self._parameters.encoder.T + self._parameters.bias
            self.share_active = float((sample > 0).float().mean())
        if self.share_active * costs.active >= costs.dense - costs.find:
            return None
        return self._choice.screen(self._choice.next_kind(x))

    def took(self, screen, seconds_per_row):
        """Take note of how long a step with a screen took for each row."""
        self._choice.took(screen.kind, seconds_per_row)


class _Times:
    """The least seconds of each piece of work, of all that were measured in this process."""

    def __init__(self):
        self.n_batches, self.seconds, self.costs = 0, {}, None


def current_costs(width, dtype, compiled):
    """Return what steps cost here, measured anew now and then; see `measure_costs`."""
    times = _times.setdefault((width, dtype, compiled), _Times())
    if times.n_batches % BATCHES_BETWEEN_MEASUREMENTS == 0:
        times.costs = measure_costs(width, dtype, compiled, times.seconds)
    times.n_batches += 1
    return times.costs


def measure_costs(width, dtype, compiled, seconds):
    """Return what steps cost here, from some milliseconds of work on made-up rows.

    Other work on the machine only ever adds to a time, so the least of all times that were
    measured counts.

    Parameters
    ----------
    width : int
        Of the rows.
    dtype : torch.dtype
        Of rows and parameters.
    compiled : bool
        Whether compiled loops are used.
    seconds : dict
        The least times so far; they are brought up to date.

    Returns
    -------
    Costs
    """
    n, m = 256, 1024
    few, many = n * m // 100, n * m // 20
    for work, step in _work_to_time(width, dtype, compiled, n, m, few, many):
        seconds[work] = min(best_seconds(step, 3), seconds.get(work, float("inf")))
    return Costs(
        dense=seconds["dense"] / (n * m),
        find=seconds["find"] / (n * m),
        active=max(seconds["many"] - seconds["few"], 0) / (many - few),
    )


def _work_to_time(width, dtype, compiled, n, m, few, many):
    """Yield (name, callable) of every piece of work whose time is wanted."""
    generator = torch.Generator().manual_seed(0)
    x, encoder = (torch.randn(k, width, generator=generator, dtype=dtype) for k in (n, m))
    encoder /= torch.linalg.vector_norm(encoder, dim=1, keepdim=True)
    ordered = (x @ encoder.T).flatten().sort(descending=True).values
    parameters = Parameters(encoder, encoder, torch.empty_like(encoder[:, 0]))
    adam, weights = Adam(parameters.tensors()), x.new_ones(n)
    dense = DenseStep(parameters, adam, n, multiplier(dtype, dtype, x.device))
    sparse = (CompiledStep if compiled else PortableStep)(parameters, adam)
    find = (CompiledEncoder if compiled else PortableEncoder)(encoder, parameters.bias)
    for work, n_active in (("many", many), ("few", few)):
        parameters.bias.fill_(-ordered[n_active])
        screen = Screen(encoder, parameters.bias, "full")
        yield work, partial(sparse, x, weights, screen, 0.0, 0.0)
    yield "dense", partial(dense, x, weights, 0.0, 0.0)
    yield "find", partial(find, x, screen)


def timed(step, *arguments):
    """Return what a step returns, and the seconds it took."""
    start = time.perf_counter()
    return step(*arguments), time.perf_counter() - start
