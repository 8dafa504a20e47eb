"""Rows in blocks and in shuffled batches, from anything that slices by rows."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

BLOCK_BYTES = 64 * 2**20
CHUNK_ROWS = 256


def iter_blocks(rows, *, block_bytes=BLOCK_BYTES // 4):
    """Yield `(start, block)` over all rows in order; each block is a numpy array.

    Blocks hold at most `block_bytes` when counted as float64, so that what is computed
    from them stays small, whatever the size of `rows`.
    """
    n_rows, width = rows.shape
    step = max(1, block_bytes // (8 * width))
    for start in range(0, n_rows, step):
        yield start, np.asarray(rows[start : start + step])


def sample_rows(rows, n_rows, seed=0):
    """Return at most `n_rows` rows as an array: chunks of consecutive rows, drawn with a seed."""
    if rows.shape[0] <= n_rows:
        return np.asarray(rows[:])
    starts = np.arange(0, rows.shape[0] - CHUNK_ROWS + 1, CHUNK_ROWS)
    chosen = np.random.default_rng(seed).permutation(starts)[: -(-n_rows // CHUNK_ROWS)]
    return np.concatenate([np.asarray(rows[i : i + CHUNK_ROWS]) for i in np.sort(chosen).tolist()])


def shuffled_batches(rows, batch_size, *, generator, dtype, device, prepare=None):
    """Yield the rows once, in batches of at most `batch_size` in random order.

    Chunks of consecutive rows are drawn at random into blocks that fit in memory, and the
    rows of a block are shuffled: with one block, that is a full shuffle; with many, disks
    still read long runs, and the next block is read while the last one is trained on. Blocks,
    and the batches of a block, are of equal size to within one row, because a batch of a few
    leftover rows would move every parameter by a full step of Adam on their noise alone.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Anything with `shape` whose slices turn into numpy arrays.
    batch_size : int
        Most rows in a batch.
    generator : torch.Generator
        On the CPU; the only source of randomness.
    dtype : torch.dtype
        Of the batches.
    device : torch.device
        Of the batches.
    prepare : callable, optional
        Applied to each block on the device, in place of repeating it on every batch.

    Yields
    ------
    torch.Tensor of shape (<= batch_size, d)
    """
    n_rows, width = rows.shape
    starts = torch.randperm(-(-n_rows // CHUNK_ROWS), generator=generator).numpy() * CHUNK_ROWS
    block_rows = max(BLOCK_BYTES // (width * dtype.itemsize), batch_size, CHUNK_ROWS)
    n_blocks = max(1, round(n_rows / block_rows))
    parts = np.array_split(starts, n_blocks)
    for block in _read_ahead(rows, parts, dtype):
        block = block.to(device)
        if prepare is not None:
            block = prepare(block)
        order = torch.randperm(len(block), generator=generator).to(device)
        for chosen in order.tensor_split(-(-len(block) // batch_size)):
            # Rows are copied whole, which plain indexing does not do.
            yield block.index_select(0, chosen)


def _read_ahead(rows, parts, dtype):
    """Yield one block for each part of the chunks, the next of which is being read meanwhile."""
    largest = max(len(starts) for starts in parts) * CHUNK_ROWS
    # Two blocks, used in turn: memory taken anew for each would cost more than the reading.
    n_rooms = min(2, len(parts))
    rooms = [torch.empty(largest, rows.shape[1], dtype=dtype) for _ in range(n_rooms)]
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(_read_chunks, rows, parts[0], rooms[0])
        for i in range(len(parts)):
            block = coming.result()
            if i + 1 < len(parts):
                room = rooms[(i + 1) % n_rooms]
                coming = reader.submit(_read_chunks, rows, parts[i + 1], room)
            yield block


def _read_chunks(rows, starts, room):
    """Fill room with the chunks that begin at `starts`, and return what is filled."""
    lengths = np.minimum(CHUNK_ROWS, rows.shape[0] - starts)
    target, end = room.numpy(), 0
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        target[end : end + length] = rows[start : start + length]
        end += length
    return room[:end]
