"""Codes of many rows as host CSR, chunk by chunk."""

import numpy as np
import scipy.sparse
import torch

CHUNK_ROWS = 256
MOST_NARROW = np.iinfo(np.int32).max


@torch.inference_mode()
def iter_codes(dictionary, blocks):
    """Yield the dense codes of rows, chunk by chunk, as tensors on the dictionary's device.

    Every product has the same shape (the last chunk is padded with zeros), so a row goes
    through the same arithmetic whatever rows come with it.

    Parameters
    ----------
    dictionary : AffineDictionary
        On any device.
    blocks : iterable of ndarray of shape (n, d)
        Consecutive rows.

    Yields
    ------
    torch.Tensor of shape (<= 256, m)
        Valid until the next one is asked for.
    """
    center = dictionary.center
    chunk = center.new_zeros(CHUNK_ROWS, len(center))
    for block in blocks:
        for start in range(0, len(block), CHUNK_ROWS):
            part = np.ascontiguousarray(block[start : start + CHUNK_ROWS])
            part = part if part.flags.writeable else part.copy()
            chunk[: len(part)] = torch.from_numpy(part)
            chunk[len(part) :] = 0
            yield dictionary.encode(chunk)[: len(part)]


def to_csr(code_chunks, n_components, dtype):
    """Return dense chunks of codes (n_i, m) as one `csr_array` of their non-zeros.

    Indices take 32 bits while the number of non-zeros fits, 64 beyond.
    """
    columns, values, row_lengths = [], [], []
    for codes in code_chunks:
        rows_at, columns_at = codes.nonzero(as_tuple=True)
        columns.append(columns_at.to(torch.int32).cpu().numpy())
        values.append(codes[rows_at, columns_at].cpu().numpy())
        row_lengths.append(torch.bincount(rows_at, minlength=len(codes)).cpu().numpy())
    pointers = np.concatenate([[0], np.cumsum(np.concatenate(row_lengths))])
    index_dtype = np.int32 if pointers[-1] <= MOST_NARROW else np.int64
    parts = (
        np.concatenate(values).astype(dtype, copy=False),
        np.concatenate(columns).astype(index_dtype, copy=False),
        pointers.astype(index_dtype),
    )
    return scipy.sparse.csr_array(parts, shape=(len(pointers) - 1, n_components))
