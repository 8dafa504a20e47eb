"""Several dictionaries of one shape stepped together, which keeps a GPU busy with small ones."""

import torch

from skdict._core._adam import Adam
from skdict._core._parameters import BatchSums, Parameters
from skdict._core._steps import DenseStep
from skdict._core._tally import Tally

EAGER_STEPS = 3


class Stack:
    """Trainers whose tensors become views of stacked ones, so that a step is one set of products.

    What a trainer holds is what the stack trains; from then on steps are the stack's. On a GPU a
    step is recorded once and replayed: at small sizes launching it takes longer than doing it.

    Parameters
    ----------
    trainers : list of Trainer
        Of one shape, batch size, learning rate, way of multiplying and number of steps.
    """

    def __init__(self, trainers):
        self._trainers = trainers
        stacked = [
            torch.stack(tensors)
            for tensors in zip(*(t.parameters.tensors() for t in trainers), strict=True)
        ]
        tied = trainers[0].parameters.tied
        components, encoder, bias = [stacked[0], stacked[0], stacked[1]] if tied else stacked
        parameters = Parameters(components, encoder, bias)
        adam = Adam(parameters.tensors())
        self._tally = Tally.like(bias)
        for i, trainer in enumerate(trainers):
            trainer.become_part(i, parameters, adam, self._tally)
        first = trainers[0]
        step = DenseStep(parameters, adam, first.batch_size, first.multiply)
        self._step = Recorded(step)
        self._alphas = components.new_empty(len(trainers), 1, 1)
        self._learning_rate = components.new_empty(())

    @torch.no_grad()
    def step(self, x, rate=1.0, weights=None):
        """Do what `Trainer.step` does, for all; nothing is waited for."""
        weights = x.new_ones(len(x)) if weights is None else weights
        first = self._trainers[0]
        for i, trainer in enumerate(self._trainers):
            self._alphas[i] = trainer.alpha
            trainer.n_steps += 1
        self._learning_rate.fill_(first.learning_rate * rate)
        sums = self._step(x, weights, self._alphas, self._learning_rate)
        self._tally.add(sums, weights, first.n_steps)


class Recorded:
    """Work on the device that is recorded, for each shape of its rows, and then replayed.

    Parameters
    ----------
    work : callable
        ``work(x, weights, alphas, learning_rate)``, all tensors, which returns tensors and waits
        for nothing. On the CPU it is called as it is.
    """

    def __init__(self, work):
        self._work, self._graphs, self._n_calls = work, {}, 0

    def __call__(self, x, weights, alphas, learning_rate):
        """Do the work."""
        self._n_calls += 1
        if x.device.type != "cuda" or self._n_calls <= EAGER_STEPS:
            return self._work(x, weights, alphas, learning_rate)
        if x.shape not in self._graphs:
            self._graphs[x.shape] = self._record(x, weights, alphas, learning_rate)
        graph, rows, their_weights, sums = self._graphs[x.shape]
        rows.copy_(x)
        their_weights.copy_(weights)
        graph.replay()
        return sums

    def _record(self, x, weights, alphas, learning_rate):
        """Record without running; alphas and learning rate stay where they are."""
        rows, weights, graph = x.clone(), weights.clone(), torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            sums = BatchSums(*self._work(rows, weights, alphas, learning_rate))
        return graph, rows, weights, sums
