"""Groups of processes that communicate by `torch.distributed`."""

import re

import torch
import torch.distributed as dist

from skdict._core._group import ALONE, Group


def open_group(shard):
    """Return the group of the initialised process group, or that of a single process.

    Parameters
    ----------
    shard : {"rows", "components"} or None
        Division of the work; None for a process that works by itself.

    Returns
    -------
    Processes or Alone
        `Alone` if `shard` is None, if no process group is initialised, or if it has one process.
    """
    if shard is None or not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return ALONE if dist.get_world_size() == 1 else Processes(shard)


class Processes(Group):
    """All processes of the initialised process group.

    Tensors stay on their device, except that NCCL cannot read the memory of the host: there they
    travel by the current GPU.

    Parameters
    ----------
    shard : {"rows", "components"}
        Division of the work: by the rows of batches, or by features.
    """

    def __init__(self, shard):
        super().__init__(shard, dist.get_world_size(), dist.get_rank())
        self._by_gpu = dist.get_backend() == "nccl"

    def sum_(self, tensors):
        """Replace each tensor by its sum over the group."""
        self._in_place(tensors, lambda t: dist.all_reduce(t, dist.ReduceOp.SUM, async_op=True))

    def max_(self, tensors):
        """Replace each tensor by its maximum over the group."""
        self._in_place(tensors, lambda t: dist.all_reduce(t, dist.ReduceOp.MAX, async_op=True))

    def broadcast_(self, tensors):
        """Replace each tensor by that of rank 0."""
        self._in_place(tensors, lambda t: dist.broadcast(t, 0, async_op=True))

    def gather(self, tensor):
        """Return the tensors of all ranks, which have one shape, stacked along a new first axis."""
        there = self._there(tensor)
        all_ = there.new_empty(self.size, *tensor.shape)
        with self._contact():
            dist.all_gather(list(all_.unbind(0)), there)
        return all_.to(tensor.device)

    def gather_objects(self, value):
        """Return a list of the values of all ranks, which are pickled on the way."""
        values = [None] * self.size
        with self._contact():
            dist.all_gather_object(values, value)
        return values

    def joined(self, part, n):
        """Return the concatenation along the first axis of the `span` of each rank of n items."""
        whole = self._there(part.new_empty(n, *part.shape[1:]))
        start, stop = self.span(n)
        whole[start:stop] = part
        with self._contact():
            for rank in range(self.size):
                start, stop = self.span(n, rank)
                # NCCL rejects empty tensors.
                if stop > start:
                    dist.broadcast(whole[start:stop], rank)
        return whole.to(part.device)

    def _in_place(self, tensors, start):
        """Run a collective operation on each tensor, all of them at the same time."""
        there = [self._there(tensor) for tensor in tensors]
        with self._contact():
            for work in [start(tensor) for tensor in there]:
                work.wait()
        for tensor, result in zip(tensors, there, strict=True):
            if result is not tensor:
                tensor.copy_(result)

    def _there(self, tensor):
        """Return a tensor, contiguous and where the back end can read it."""
        if self._by_gpu and tensor.device.type == "cpu":
            tensor = tensor.to("cuda")
        return tensor.contiguous()

    def _contact(self):
        return _Contact(self.rank)


class _Contact:
    """Context that turns errors of the network into one that says what to do."""

    def __init__(self, rank):
        self._rank = rank

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, RuntimeError) and not isinstance(error, torch.cuda.OutOfMemoryError):
            raise ConnectionError(
                f"process {self._rank} lost contact with another process of its group, which "
                f"failed, was killed or did not answer in time ({_shortened(error)}); see the "
                f"messages of the other processes, then start all of them again"
            ) from error
        return False


def _shortened(error):
    """Return the first sentence of an error, without the source file that gloo puts before it."""
    return re.sub(r"^\[\S+\]\s*", "", str(error)).partition(". ")[0].splitlines()[0]
