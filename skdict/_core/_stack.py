"""Train several dictionaries of the same shape together, to keep a GPU busy with small ones."""

import torch

from skdict._core._adam import Adam
from skdict._core._backends import Dense
from skdict._core._codes import BatchSums
from skdict._core._model import Model
from skdict._core._step import take_step
from skdict._core._tally import Tally
from skdict._core._tensors import Tensors

EAGER_STEPS = 3


class Stack:
    """Several trainers stepped together with stacked tensors.

    The tensors of each trainer become views into the stacked ones. From then on only the stack
    takes steps. On a GPU a step is recorded once as a CUDA graph and replayed, because for small
    dictionaries launching the kernels takes longer than running them.

    Parameters
    ----------
    trainers : list of Trainer
        Trainers with the same shape, types of nonlinearity and penalty, batch size, learning rate,
        product dtype and number of steps.
    """

    def __init__(self, trainers):
        self._trainers = trainers
        first = trainers[0]
        tensors = Tensors.stack([trainer.tensors for trainer in trainers])
        self._adam = Adam(tensors)
        self._tally = Tally.like(tensors.bias)
        for i, trainer in enumerate(trainers):
            trainer.become_part(i, tensors, self._adam, self._tally)
        shared = first.model
        self._penalty = first.penalty.stacked([t.penalty for t in trainers], tensors.bias)
        several = [trainer.model.nonlinearity for trainer in trainers]
        nonlinearity = shared.nonlinearity.stacked(several, tensors.bias)
        self._model = Model(tensors, nonlinearity, self._penalty, shared.levels, shared.group)
        self._backend = Dense(first.multiply, first.batch_size)
        self._step = Recorded(self._take_step)
        # torch's fused Adam reads a rate on a GPU as float32, whatever the tensors are.
        on_cpu = tensors.bias.device.type == "cpu"
        self._rate = tensors.bias.new_empty((), dtype=None if on_cpu else torch.float32)
        self._n_steps = self._tally.last_fired.new_empty(())
        self._silent_steps = first.silent_steps

    @torch.no_grad()
    def step(self, x, rate=1.0, weights=None, target=None, n_rows=None):
        """Take the step of `Trainer.step` in all trainers, without synchronising.

        `n_rows` is the number of rows of x, because a stack trains in one process.
        """
        weights = x.new_ones(len(x)) if weights is None else weights
        first = self._trainers[0]
        self._n_steps.fill_(first.n_steps)
        self._penalty.follow([trainer.penalty for trainer in self._trainers])
        for trainer in self._trainers:
            trainer.n_steps += 1
        self._rate.fill_(first.learning_rate * rate)
        sums = self._step(x, weights, *([] if target is None else [target]))
        self._tally.add(sums, weights, first.n_steps, self._model.group)

    def _take_step(self, x, weights, target=None):
        dead = self._tally.silent(self._n_steps, self._silent_steps)
        options = self._adam, x, weights, len(x), self._rate, None, dead, target
        return take_step(self._backend, self._model, *options)


class Recorded:
    """Function that is recorded as a CUDA graph for each shape of its rows, then replayed.

    Parameters
    ----------
    work : callable
        Function ``work(x, *others)`` that returns tensors and never synchronises. Any other
        tensors it reads must keep their memory. On the CPU it is called directly.
    """

    def __init__(self, work):
        self._work, self._graphs, self._n_calls = work, {}, 0

    def __call__(self, x, *others):
        """Run the function on rows, and on weights and targets with one entry per row."""
        self._n_calls += 1
        if x.device.type != "cuda" or self._n_calls <= EAGER_STEPS:
            return self._work(x, *others)
        if x.shape not in self._graphs:
            self._graphs[x.shape] = self._record(x, *others)
        graph, recorded, sums = self._graphs[x.shape]
        for tensor, given in zip(recorded, (x, *others), strict=True):
            tensor.copy_(given)
        graph.replay()
        return sums

    def _record(self, *given):
        """Record a graph without running it."""
        recorded, graph = [tensor.clone() for tensor in given], torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            sums = BatchSums(*self._work(*recorded))
        return graph, recorded, sums
