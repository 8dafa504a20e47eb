"""Read rows in blocks and in shuffled batches from anything that can be sliced by rows."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from skdict._core._group import ALONE

BLOCK_BYTES = 64 * 2**20
CHUNK_ROWS = 256


class Batch(NamedTuple):
    """Rows of a training step, centred and scaled."""

    x: torch.Tensor
    """Rows to encode, shape (n, d)."""
    weights: torch.Tensor
    """Weight of each row in the loss, 1 unless it is an outlier; shape (n,)."""
    target: torch.Tensor | None
    """Rows to reconstruct, shape (n, d_out); None for those that are encoded."""
    n_rows: int
    """Number of rows of the batch in all processes."""

    def inliers(self):
        """Return the rows of weight 1."""
        kept = self.weights == 1
        target = None if self.target is None else self.target[kept]
        return Batch(self.x[kept], self.weights[kept], target, int(kept.sum()))


def iter_blocks(rows, *, block_bytes=BLOCK_BYTES // 4, group=ALONE):
    """Yield `(start, block)` over all rows in order, each block as a numpy array.

    The processes of a group take turns, and each reads only its own blocks.

    A block takes at most `block_bytes` as float64, so intermediate results stay small however
    many rows there are.
    """
    n_rows, width = rows.shape
    step = max(1, block_bytes // (8 * width))
    for start in range(group.rank * step, n_rows, group.size * step):
        yield start, np.asarray(rows[start : start + step])


def sample_rows(rows, n_rows, seed=0):
    """Sample `n_rows` rows as an array, or all if there are fewer.

    The sample consists of randomly drawn chunks of consecutive rows, the last one cut to size.
    """
    starts = np.arange(0, rows.shape[0] - CHUNK_ROWS + 1, CHUNK_ROWS)
    # Then only a part of the last, incomplete chunk would be left out.
    if len(starts) * CHUNK_ROWS < n_rows:
        return np.asarray(rows[:n_rows])
    chosen = np.random.default_rng(seed).permutation(starts)[: -(-n_rows // CHUNK_ROWS)]
    chunks = [np.asarray(rows[i : i + CHUNK_ROWS]) for i in np.sort(chosen).tolist()]
    return np.concatenate(chunks)[:n_rows]


def shuffled_batches(sources, batch_size, *, generator, dtype, device, prepare=None):
    """Yield every row once, in random order, in batches of at most `batch_size` rows.

    Several sources are read in step: a batch has the same rows of each.

    Chunks of consecutive rows are drawn at random into blocks that fit in memory, and the rows of
    each block are shuffled. A single block is a full shuffle. With several, the disk still reads
    long runs, and the next block is read while the current one is trained on. Blocks, and the
    batches of a block, are equal in size up to one row, because a batch of a few leftover rows
    would move every parameter by a full step of Adam on noise.

    Parameters
    ----------
    sources : list of array-like of shape (n, d)
        Objects with a `shape` whose slices convert to numpy arrays, with equal numbers of rows.
    batch_size : int
        Maximum number of rows in a batch.
    generator : torch.Generator
        Generator on the CPU, the only source of randomness.
    dtype : torch.dtype
        Data type of the batches.
    device : torch.device
        Device of the batches.
    prepare : callable, optional
        Function from a block of each source to such blocks, applied once per block on the device.

    Yields
    ------
    list of torch.Tensor of shape (<= batch_size, d)
        Batch of each source.
    """
    parts = draw_blocks(sources, batch_size, generator, dtype)
    for blocks in _read_blocks(sources, parts, dtype):
        blocks = [block.to(device) for block in blocks]
        if prepare is not None:
            blocks = prepare(blocks)
        n_here = len(blocks[0])
        order = torch.randperm(n_here, generator=generator).to(device)
        for chosen in order.tensor_split(-(-n_here // batch_size)):
            # Copies whole rows, which is faster than plain indexing.
            yield [block.index_select(0, chosen) for block in blocks]


def draw_blocks(sources, batch_size, generator, dtype):
    """Return the first rows of the chunks of each block, in random order."""
    n_rows, width = sources[0].shape[0], sum(rows.shape[1] for rows in sources)
    starts = torch.randperm(-(-n_rows // CHUNK_ROWS), generator=generator).numpy() * CHUNK_ROWS
    block_rows = max(BLOCK_BYTES // (width * dtype.itemsize), batch_size, CHUNK_ROWS)
    return np.array_split(starts, max(1, round(n_rows / block_rows)))


def _read_blocks(sources, parts, dtype):
    """Yield a block of each source per part of the chunks."""
    largest = max(len(starts) for starts in parts) * CHUNK_ROWS
    # Alternate between two buffers: allocating memory for each block costs more than reading it.
    rooms = [
        [torch.empty(largest, rows.shape[1], dtype=dtype) for rows in sources]
        for _ in range(min(2, len(parts)))
    ]

    def read(i):
        return [
            _read_chunks(rows, parts[i], room)
            for rows, room in zip(sources, rooms[i % len(rooms)], strict=True)
        ]

    for _, blocks in read_ahead(read, range(len(parts))):
        yield blocks


def read_ahead(read, items):
    """Yield each item with `read(item)`, called in a thread while the item before is in use.

    A single item is read in the calling thread: with few rows, starting a thread for each pass
    would take longer than the pass.
    """
    items = iter(items)
    item, following = next(items), next(items, None)
    if following is None:
        yield item, read(item)
        return
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, item)
        while item is not None:
            found = coming.result()
            if following is not None:
                coming = reader.submit(read, following)
            yield item, found
            item, following = following, next(items, None)


def _read_chunks(rows, starts, room):
    """Fill the buffer `room` with the chunks that begin at `starts`; return the filled part."""
    lengths = np.minimum(CHUNK_ROWS, rows.shape[0] - starts)
    target, end = room.numpy(), 0
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        target[end : end + length] = rows[start : start + length]
        end += length
    return room[:end]
