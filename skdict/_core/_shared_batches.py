"""Read this process's part of shuffled batches, and none of the other rows."""

import numpy as np
import torch

from skdict._core._batches import CHUNK_ROWS, draw_blocks, read_ahead


def shared_batches(sources, batch_size, *, group, generator, dtype, device, prepare=None):
    """Yield this process's rows of each batch of `shuffled_batches`.

    All processes draw the same order of rows, so together they see the batches of one process.
    Each reads only its own rows, which are scattered over a block, in the order of the file.

    Parameters
    ----------
    sources : list of array-like of shape (n, d)
        Rows that can be indexed by arrays of row numbers.
    group : Group
        Processes that share each batch.
    batch_size, generator, dtype, device, prepare
        See `shuffled_batches`.

    Yields
    ------
    (int, list of torch.Tensor of shape (n', d))
        Number of rows of the batch in all processes, and the rows of this process.
    """
    plans = _plans(sources, batch_size, group, generator, dtype)

    def read(plan):
        return [_gather(rows, plan[1], dtype) for rows in sources]

    for (sizes, _, state), blocks in read_ahead(read, plans):
        blocks = [block.to(device) for block in blocks]
        # As if the order of this block had been drawn only now.
        generator.set_state(state)
        blocks = blocks if prepare is None else prepare(blocks)
        ends = [group.span(size)[1] - group.span(size)[0] for size in sizes]
        yield from zip(sizes, zip(*(b.split(ends) for b in blocks), strict=True), strict=True)


def _plans(sources, batch_size, group, generator, dtype):
    """Yield for each block the sizes of its batches, the rows of this process, and a state.

    The state is that of the generator after the order of the block is drawn. Orders are drawn
    ahead of time from a copy, because a block is read before the one before it is used up.
    """
    n_rows = sources[0].shape[0]
    blocks = draw_blocks(sources, batch_size, generator, dtype)
    ahead = torch.Generator().manual_seed(0)
    ahead.set_state(generator.get_state())
    for starts in blocks:
        chunks = (np.arange(start, min(start + CHUNK_ROWS, n_rows)) for start in starts.tolist())
        numbers = torch.from_numpy(np.concatenate(list(chunks)))
        order = numbers[torch.randperm(len(numbers), generator=ahead)]
        batches = order.tensor_split(-(-len(order) // batch_size))
        mine = torch.cat([group.part(batch) for batch in batches]).numpy()
        yield [len(batch) for batch in batches], mine, ahead.get_state()


def _gather(rows, numbers, dtype):
    """Return the rows of the given numbers as a tensor, read in the order of the file."""
    gathered = torch.empty(len(numbers), rows.shape[1], dtype=dtype)
    order = np.argsort(numbers)
    gathered.numpy()[order] = np.asarray(rows[numbers[order]])
    return gathered
