"""A group of threads of one process, for tests."""

import threading

import torch

from skdict._core._group import Group


class ThreadGroup(Group):
    """One member of a group; every member calls the same methods in the same order."""

    def __init__(self, shared, shard, rank):
        super().__init__(shard, shared["size"], rank)
        self._shared = shared

    @classmethod
    def of(cls, size, shard="rows"):
        """Return the members of a group."""
        shared = {"barrier": threading.Barrier(size), "held": [None] * size, "size": size}
        return [cls(shared, shard, rank) for rank in range(size)]

    def sum_(self, tensors):
        self._reduce(tensors, lambda held: torch.stack(held).sum(0))

    def max_(self, tensors):
        self._reduce(tensors, lambda held: torch.stack(held).amax(0))

    def broadcast_(self, tensors):
        self._reduce(tensors, lambda held: held[0])

    def gather(self, tensor):
        return torch.stack([held for (held,) in self._exchange([tensor.clone()])])

    def gather_objects(self, value):
        return self._exchange(value)

    def joined(self, part, n):
        return torch.cat([held for (held,) in self._exchange([part.clone()])])

    def _reduce(self, tensors, reduce):
        tensors = list(tensors)
        held = self._exchange([tensor.clone() for tensor in tensors])
        for i, tensor in enumerate(tensors):
            tensor.copy_(reduce([member[i] for member in held]))

    def _exchange(self, value):
        """Return what each member passes to this method."""
        barrier, held = self._shared["barrier"], self._shared["held"]
        held[self.rank] = value
        barrier.wait(60)
        values = list(held)
        barrier.wait(60)
        return values


def run_in_threads(work, members):
    """Return what ``work(member)`` returns for each member, run side by side."""
    results, errors = [None] * len(members), []

    def run(member):
        try:
            results[member.rank] = work(member)
        except BaseException as error:
            errors.append(error)
            member._shared["barrier"].abort()

    threads = [threading.Thread(target=run, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
