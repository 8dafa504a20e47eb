"""Activations of tokens that know where they come from.

Floor 1: imports numpy, `_files` and `_store`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skdict._files import restore_interrupted
from skdict._store import (
    ActivationsWriter,
    ShardedRows,
    check_order,
    open_store,
    write_whole,
)
from skdict._text import readable

__all__ = ["Activations", "ActivationsWriter"]


class Context(NamedTuple):
    """A token in the text around it; `str` marks the token.

    Parameters
    ----------
    before : str
        Text of the rows before.
    token : str
        Text of the row's own token.
    after : str
        Text of the rows after.
    """

    before: str
    token: str
    after: str

    def __str__(self):
        return f"{self.before}[{self.token}]{self.after}"


class Activations:
    """Rows of activations, one for each token, with the token's document, position and id.

    It looks like an array of shape (n_tokens, width): scikit-learn's estimators and
    splitters accept it. Indexing with a slice, a mask or an array of row numbers gives a
    view that copies no rows and keeps the token table; an integer gives one row;
    ``np.asarray`` gives all rows.

    Parameters
    ----------
    rows : ndarray or memmap of shape (n_tokens, width), floating
        The activations.
    documents : array-like of int, shape (n_tokens,)
        The text that each row comes from: what ``groups=`` wants in a `GroupKFold`. Must
        not decrease.
    positions : array-like of int, shape (n_tokens,)
        The token's index in its text. Must increase within a document.
    token_ids : array-like of int, shape (n_tokens,)
        The token itself.
    vocabulary : sequence of str, optional
        The readable piece of each token id; bytes of characters that are split over tokens
        stand in it as lone surrogates, as ``bytes.decode(errors="surrogateescape")`` has them.
    metadata : dict, optional
        Where the rows come from (model, hook point, ...); must fit in JSON.

    Raises
    ------
    TypeError
        If the rows are not floating-point, or the vocabulary is not a sequence of strings.
    ValueError
        If shapes differ, the order is not as stated, or a token id is negative or has no piece in
        the vocabulary.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> acts = Activations(
    ...     np.eye(3, dtype="float32"), documents=[0, 0, 1], positions=[1, 2, 1],
    ...     token_ids=[0, 1, 0], vocabulary=["a", "b"],
    ... )
    >>> acts[acts.documents == 0].shape
    (2, 3)
    >>> str(acts.context(1))
    'a[b]'
    """

    def __init__(self, rows, *, documents, positions, token_ids, vocabulary=None, metadata=None):
        rows = _as_array(rows)
        if rows.ndim != 2 or rows.dtype.kind != "f":
            raise TypeError(
                f"rows has dtype {rows.dtype} and shape {rows.shape}; pass a two-dimensional "
                f"array of float16, float32 or float64"
            )
        columns = {"documents": documents, "positions": positions, "token_ids": token_ids}
        columns = {name: _integers(name, c, len(rows)) for name, c in columns.items()}
        check_order(columns["documents"], columns["positions"])
        _check_token_ids(columns["token_ids"], vocabulary)
        self._base = {"rows": rows, **columns}
        self._index = slice(0, len(rows))
        self.vocabulary = vocabulary
        self.metadata = dict(metadata or {})

    @property
    def shape(self):
        """Number of rows, and width."""
        index = self._index
        n_rows = index.stop - index.start if isinstance(index, slice) else len(index)
        return n_rows, self._base["rows"].shape[1]

    @property
    def dtype(self):
        """Type of the values."""
        return self._base["rows"].dtype

    ndim = 2

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        rows = self._column("rows")
        fresh = not isinstance(self._index, slice)
        if dtype is not None and rows.dtype != dtype:
            if copy is False:
                raise ValueError(f"rows are {rows.dtype}: {dtype} needs a copy")
            return rows.astype(dtype)
        if copy and not fresh:
            return rows.copy()
        return rows

    def __getitem__(self, key):
        if isinstance(key, tuple):
            return self._by_row_and_column(key)
        if isinstance(key, (int, np.integer)):
            return self._base["rows"][self._base_row(key)]
        view = object.__new__(Activations)
        view.__dict__.update(self.__dict__, _index=self._compose(key))
        return view

    def _by_row_and_column(self, key):
        """Return a view where all columns are asked for, else a plain array."""
        every_column = len(key) == 2 and (
            key[1] is Ellipsis or (isinstance(key[1], slice) and key[1] == slice(None))
        )
        if every_column and key[0] is not Ellipsis and key[0] is not None:
            return self[key[0]]
        if len(key) == 2 and isinstance(key[0], slice):
            # Rows first, so that no other row is read.
            return np.asarray(self[key[0]])[:, key[1]]
        return np.asarray(self)[key]

    def _compose(self, key):
        """Return the base rows that a key into this view selects."""
        index = self._index
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if isinstance(index, slice) and step == 1:
                # Stays a slice, so that reading it copies no row.
                return slice(index.start + start, index.start + max(start, stop))
        else:
            key = np.asarray(key)
            if key.ndim != 1 or (key.dtype.kind not in "iub" and key.size):
                raise TypeError(
                    f"rows cannot be selected by {key.dtype} of shape {key.shape}; pass a slice, "
                    f"a list of whole numbers or a mask"
                )
            key = key if key.size else key.astype(np.intp)
        return (np.arange(index.start, index.stop) if isinstance(index, slice) else index)[key]

    def __repr__(self):
        n_rows, width = self.shape
        source = "".join(f", {name}={value!r}" for name, value in self.metadata.items())
        return f"Activations({n_rows} tokens x {width}, {self.dtype}{source})"

    @property
    def documents(self):
        """Text that each row comes from, shape (n_tokens,)."""
        return self._column("documents")

    @property
    def positions(self):
        """Index of each token in its text, shape (n_tokens,)."""
        return self._column("positions")

    @property
    def token_ids(self):
        """Token id of each row, shape (n_tokens,)."""
        return self._column("token_ids")

    def token(self, row):
        """Return the readable piece of a row's token.

        Parameters
        ----------
        row : int
            Row of this view.

        Returns
        -------
        str
            The piece, with its leading space; ``<id>`` without a vocabulary.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        return readable(self._piece(self._base_row(row)))

    def context(self, row, *, before=8, after=4):
        """Return the text around a row, within its document.

        Neighbours are found in the rows this view was cut from, so a view of single
        rows still has their text.

        Parameters
        ----------
        row : int
            Row of this view.
        before, after : int, default=8 and 4
            Tokens on each side.

        Returns
        -------
        Context
            Text before, the token, text after.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        here = self._base_row(row)
        documents = self._base["documents"]
        first = np.searchsorted(documents, documents[here], side="left")
        end = np.searchsorted(documents, documents[here], side="right")
        lead = range(max(first, here - before), here)
        trail = range(here + 1, min(end, here + 1 + after))
        parts = ("".join(map(self._piece, part)) for part in (lead, [here], trail))
        return Context(*map(readable, parts))

    def _piece(self, base_row):
        token_id = int(self._base["token_ids"][base_row])
        return f"<{token_id}>" if self.vocabulary is None else self.vocabulary[token_id]

    def _base_row(self, row):
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} is out of range: there are {len(self)} rows")
        row = int(row) % len(self)
        index = self._index
        return index.start + row if isinstance(index, slice) else int(index[row])

    def _column(self, name):
        return self._base[name][self._index]

    def save(self, folder):
        """Write rows and token table to a folder that `load` reads.

        Everything is written beside the folder first and then renamed, so that a folder
        of this name is always whole. An earlier store of this name is replaced. Rows that come
        some at a time are written by `ActivationsWriter`.

        Parameters
        ----------
        folder : str or path
            Where to write.

        Raises
        ------
        FileExistsError
            If the folder holds something else, or another process is writing to it.
        OSError
            If it cannot be written, as on a full disk; an earlier store is then untouched.
        TypeError
            If the metadata do not fit in JSON.
        ValueError
            If the metadata are not finite or nested more than about 30 deep, or the rows are a view
            in another order than by document and position.
        """
        write_whole(self, folder)

    @classmethod
    def load(cls, folder, *, verify=False):
        """Return the activations of a folder, with the rows mapped and not read.

        Parameters
        ----------
        folder : str or path
            What `save` or `ActivationsWriter` wrote.
        verify : bool, default=False
            Whether all rows are read once and compared with the hashes in the manifest.
            Otherwise sizes, the token table and both ends of each file of rows are checked.

        Returns
        -------
        Activations
            Pickles of it keep the paths of the rows, not the rows.

        Raises
        ------
        FileNotFoundError
            If there is no store, or a file of it is missing.
        ValueError
            If the store is unfinished, of another format or version, its manifest was changed, or
            a file of it is truncated, changed, not a regular file, or that of another shard or
            store.
        """
        folder = Path(folder)
        restore_interrupted(folder)
        rows, columns, manifest = open_store(folder, verify=verify)
        table = {"vocabulary": manifest["vocabulary"], "metadata": manifest["metadata"]}
        return cls(rows, **columns, **table)


def _as_array(rows):
    """Return rows as an array; tensors of any device and dtype are accepted."""
    if isinstance(rows, (np.ndarray, ShardedRows)):
        return rows
    if hasattr(rows, "detach"):
        rows = rows.detach().cpu()
        # numpy has no bfloat16.
        rows = rows.float() if str(rows.dtype) == "torch.bfloat16" else rows
    return np.asarray(rows)


def _check_token_ids(token_ids, vocabulary):
    """Refuse ids that would read another token's piece, or none."""
    if vocabulary is not None and (
        isinstance(vocabulary, (str, bytes, dict)) or not hasattr(vocabulary, "__getitem__")
    ):
        raise TypeError(
            f"vocabulary is {type(vocabulary).__name__}; pass a list with the readable piece of "
            f"each token id, or None"
        )
    wrong = token_ids < 0
    accepted = "ids from 0"
    if vocabulary is not None:
        wrong |= token_ids >= len(vocabulary)
        accepted += f" to {len(vocabulary) - 1}, the last in the vocabulary"
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"token_ids[{row}] is {token_ids[row]}; pass {accepted}, as the tokenizer gives them, "
            f"and leave the rows of padding out"
        )


def _integers(name, values, n_rows):
    """Return one column of the token table, checked."""
    column = np.asarray(values)
    if column.shape != (n_rows,) or column.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {column.shape} and dtype {column.dtype}; pass {n_rows} whole "
            f"numbers, one for each row"
        )
    return column
