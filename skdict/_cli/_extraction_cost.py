"""Disk space and memory that `extract` needs."""

import shutil
import warnings
from dataclasses import replace

from skdict.exceptions import OutlierWarning

# Document, position and token id of a row.
TABLE_BYTES = 12
PROBE_ROWS = 8


def row_bytes(reading, texts, n_rows):
    """Return the size of a stored row at each hook point, from a forward pass over a few tokens.

    Parameters
    ----------
    reading : Reading
        How the texts are read. Its token counts are left unchanged.
    texts : list of str
        Texts to read.
    n_rows : ndarray of int, shape (n_texts,)
        Number of rows that each text yields.

    Returns
    -------
    dict of str to int
        Size in bytes by hook point.

    Raises
    ------
    NoRowsError
        If no text yields a row.
    """
    most = min(reading.max_length, reading.skip_first + PROBE_ROWS)
    probe = replace(reading, max_length=most, long_texts="truncate")
    with warnings.catch_warnings():
        # Too few rows to recognise outliers.
        warnings.simplefilter("ignore", OutlierWarning)
        rows = probe.run([texts[int(n_rows.argmax())]])
    return {
        point: TABLE_BYTES + acts.shape[1] * acts.dtype.itemsize for point, acts in rows.items()
    }


def describe_cost(reading, n_rows, sizes, texts_per_shard):
    """Return a sentence on the rows, the disk space and the memory that a run takes.

    Parameters
    ----------
    reading : Reading
        How the texts are read.
    n_rows : ndarray of int, shape (n_texts,)
        Number of rows that each text yields.
    sizes : dict of str to int
        Size of a stored row by hook point, in bytes.
    texts_per_shard : int
        Number of texts whose rows are in memory at the same time.

    Returns
    -------
    str
        The sentence, without a full stop.
    """
    model, _, _ = reading.check()
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    starts = range(0, len(n_rows), texts_per_shard)
    largest = max(int(n_rows[start : start + texts_per_shard].sum()) for start in starts)
    total = sum(sizes.values())
    return (
        f"{len(n_rows):,} texts will give {n_rows.sum():,} rows at {', '.join(sizes)}: about "
        f"{_readable(int(n_rows.sum()) * total)} on disk, and about "
        f"{_readable(weights + largest * total)} of memory for the model and one shard"
    )


def check_space(out, n_rows, sizes, done):
    """Raise `ValueError` if the disk has too little free space for the remaining texts.

    Parameters
    ----------
    out : Path
        Folder of the stores.
    n_rows : ndarray of int, shape (n_texts,)
        Number of rows that each text yields.
    sizes : dict of str to int
        Size of a stored row by hook point, in bytes.
    done : dict of str to int
        Number of texts already stored, by hook point.
    """
    place = next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())
    free = shutil.disk_usage(place).free
    needed = sum(int(n_rows[done[point] :].sum()) * size for point, size in sizes.items())
    if needed > free:
        raise ValueError(
            f"the activations need about {_readable(needed)}, but only {_readable(free)} are "
            f"free at {str(place)!r}; choose another --out, fewer texts or hook points, or "
            f"--dtype float16"
        )


def _readable(n_bytes):
    """Return a human-readable size."""
    for unit in ("B", "KB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
