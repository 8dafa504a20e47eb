"""A group of threads of one process, for tests."""

import threading

import torch


class ThreadGroup:
    """One member of a group; every member calls the same methods in the same order."""

    def __init__(self, shared, rank):
        self._shared, self.rank, self.size = shared, rank, shared["size"]

    @classmethod
    def of(cls, size):
        """Return the members of a group."""
        shared = {"size": size, "barrier": threading.Barrier(size), "held": [None] * size}
        return [cls(shared, rank) for rank in range(size)]

    def sum_(self, tensors):
        self._reduce(tensors, lambda held: torch.stack(held).sum(0))

    def max_(self, tensors):
        self._reduce(tensors, lambda held: torch.stack(held).amax(0))

    def broadcast_(self, tensors):
        self._reduce(tensors, lambda held: held[0])

    def part(self, rows):
        return rows.tensor_split(self.size)[self.rank]

    def _reduce(self, tensors, reduce):
        barrier, held = self._shared["barrier"], self._shared["held"]
        held[self.rank] = [tensor.clone() for tensor in tensors]
        barrier.wait(60)
        for i, tensor in enumerate(tensors):
            tensor.copy_(reduce([member[i] for member in held]))
        barrier.wait(60)


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
