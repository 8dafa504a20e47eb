"""Token activations that keep the document, position and id of every token.

Floor 1: imports numpy, `_files`, `_store` and `_vocabulary`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skdict._files import restore_interrupted
from skdict._store import (
    ActivationsWriter,
    JoinedRows,
    ShardedRows,
    StoredTable,
    check_order,
    open_store,
    pack_rows,
    unpack_rows,
    write_whole,
)
from skdict._text import readable
from skdict._vocabulary import Vocabulary

__all__ = ["Activations", "ActivationsWriter", "Vocabulary"]


class Context(NamedTuple):
    """A token and the text around it; `str` puts the token in brackets.

    Parameters
    ----------
    before : str
        Text before the token.
    token : str
        Text of the token.
    after : str
        Text after the token.
    """

    before: str
    token: str
    after: str

    def __str__(self):
        return f"{self.before}[{self.token}]{self.after}"


class Activations:
    """Language-model activations: one row per token, with its document, position and token id.

    An instance behaves like an array of shape (n_tokens, width) and can be passed to
    scikit-learn's estimators and splitters. Indexing with a slice, a boolean mask or an array of
    row numbers returns a view that keeps the token table and copies no rows. Indexing with an
    integer returns one row, and ``np.asarray`` returns all rows.

    Parameters
    ----------
    rows : ndarray or memmap of shape (n_tokens, width), floating
        The activations.
    documents : array-like of int, shape (n_tokens,)
        Document of each row, in non-decreasing order. Pass it as ``groups`` to a `GroupKFold` to
        keep documents together.
    positions : array-like of int, shape (n_tokens,)
        Index of the token in its document. Must increase within a document.
    token_ids : array-like of int, shape (n_tokens,)
        Token id of each row.
    vocabulary : Vocabulary or other sequence of str, optional
        Text of each token id; a `Vocabulary` can also hold a vector for each. Where a character is
        split across tokens, its bytes appear as lone surrogates, as produced by
        ``bytes.decode(errors="surrogateescape")``.
    metadata : dict, optional
        Provenance of the rows, such as model and hook point. Must be JSON serialisable.

    Raises
    ------
    TypeError
        If `rows` is not a two-dimensional floating-point array, or `vocabulary` is not a sequence
        of strings.
    ValueError
        If the columns are not integers or differ in length, the rows are not ordered by document
        and position, or a token id is negative or outside the vocabulary.

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
        self._base = {"rows": rows, **columns, "vocabulary": vocabulary}
        self._index = slice(0, len(rows))
        self.metadata = dict(metadata or {})

    @property
    def shape(self):
        """Number of rows and width."""
        index = self._index
        n_rows = index.stop - index.start if isinstance(index, slice) else len(index)
        return n_rows, self._base["rows"].shape[1]

    @property
    def dtype(self):
        """Data type of the rows."""
        return self._base["rows"].dtype

    ndim = 2

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        rows = self._column("rows")
        fresh = not isinstance(self._index, slice)
        if dtype is not None and rows.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"copy=False, but converting rows from {rows.dtype} to {dtype} needs a copy; "
                    f"pass copy=None"
                )
            return rows.astype(dtype)
        if copy is False and fresh:
            raise ValueError(
                "copy=False, but rows selected by a mask or by numbers need a copy; pass copy=None"
            )
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
        """Return a view if all columns are selected, otherwise a plain array."""
        every_column = len(key) == 2 and (
            key[1] is Ellipsis or (isinstance(key[1], slice) and key[1] == slice(None))
        )
        if every_column and key[0] is not Ellipsis and key[0] is not None:
            return self[key[0]]
        if len(key) == 2 and isinstance(key[0], slice):
            # Select the rows first, so that no other row is read.
            return np.asarray(self[key[0]])[:, key[1]]
        return np.asarray(self)[key]

    def _compose(self, key):
        """Return the base rows selected by a key into this view."""
        index = self._index
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if isinstance(index, slice) and step == 1:
                # Keep a slice, so that reading it copies no rows.
                return slice(index.start + start, index.start + max(start, stop))
        else:
            key = np.asarray(key)
            if key.ndim != 1 or (key.dtype.kind not in "iub" and key.size):
                raise TypeError(
                    f"the index is an array of {key.dtype} of shape {key.shape}; select rows with "
                    f"a slice, a one-dimensional array of integers or a boolean mask"
                )
            key = key if key.size else key.astype(np.intp)
        return (np.arange(index.start, index.stop) if isinstance(index, slice) else index)[key]

    def __getstate__(self):
        return vars(self) | {"_index": pack_rows(self._index)}

    def __setstate__(self, state):
        vars(self).update(state, _index=unpack_rows(state["_index"]))

    def __repr__(self):
        n_rows, width = self.shape
        source = "".join(f", {name}={value!r}" for name, value in self.metadata.items())
        return f"Activations({n_rows} tokens x {width}, {self.dtype}{source})"

    @property
    def documents(self):
        """Document of each row, shape (n_tokens,)."""
        return self._column("documents")

    @property
    def positions(self):
        """Index of each token in its document, shape (n_tokens,)."""
        return self._column("positions")

    @property
    def token_ids(self):
        """Token id of each row, shape (n_tokens,)."""
        return self._column("token_ids")

    @property
    def vocabulary(self):
        """Text of each token id, or None."""
        return self._base["vocabulary"]

    def token(self, row):
        """Return the text of a row's token.

        Parameters
        ----------
        row : int
            Row number in this view.

        Returns
        -------
        str
            Text of the token, with its leading space if it has one; ``<id>`` without a
            vocabulary.

        Raises
        ------
        IndexError
            If `row` is out of range.
        """
        return readable(self._piece(self._base_row(row)))

    def context(self, row, *, before=8, after=4):
        """Return a row's token with the text around it, within its document.

        Neighbouring tokens are taken from the rows that this view selects from, so contexts are
        complete even in a view of scattered rows.

        Parameters
        ----------
        row : int
            Row number in this view.
        before, after : int, default=8 and 4
            Number of tokens to show on each side.

        Returns
        -------
        Context
            The token with the text before and after it.

        Raises
        ------
        IndexError
            If `row` is out of range.
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
            raise IndexError(f"row {row} is out of range for {len(self)} rows")
        row = int(row) % len(self)
        index = self._index
        return index.start + row if isinstance(index, slice) else int(index[row])

    def _column(self, name):
        return self._base[name][self._index]

    def save(self, folder):
        """Save the rows and the token table to a folder.

        The folder is written under a temporary name and then renamed, so it is never seen half
        written. An existing store of the same name is replaced. Use `ActivationsWriter` to save
        rows in batches.

        Parameters
        ----------
        folder : str or path
            Folder to create or replace.

        Raises
        ------
        FileExistsError
            If the folder exists and is not a store of activations, or another process is writing
            to it.
        OSError
            If the folder cannot be written, for example because the disk is full. An existing
            store is then left unchanged.
        TypeError
            If the metadata are not JSON serialisable.
        ValueError
            If the metadata contain numbers that are not finite or are nested more than about 30
            levels deep, or the rows are not ordered by document and position.
        """
        write_whole(self, folder)

    @classmethod
    def load(cls, folder, *, verify=False):
        """Load activations from a folder, memory-mapping the rows.

        Parameters
        ----------
        folder : str or path
            Folder written by `save` or `ActivationsWriter`.
        verify : bool, default=False
            If True, read all rows once and compare them with the hashes in the manifest. If False,
            check only file sizes, the token table and both ends of each file of rows.

        Returns
        -------
        Activations
            The stored activations. Pickling them stores the path of the folder and the numbers of
            the selected rows. A process that unpickles them opens the store at this path when it
            first reads them, and raises an error if it is missing there or has other content.

        Raises
        ------
        FileNotFoundError
            If the folder is not a store, or one of its files is missing.
        ValueError
            If the store is unfinished or of another format or version, its manifest was changed,
            or one of its files is truncated, changed, not a regular file, or belongs to another
            shard or store.
        """
        folder = Path(folder)
        restore_interrupted(folder)
        content, metadata, digest = open_store(folder, verify=verify)
        activations = cls(**content, metadata=metadata)
        activations._base = StoredTable(folder, digest, content)
        return activations


def _as_array(rows):
    """Convert rows to an array; accept tensors on any device and of any dtype."""
    if isinstance(rows, (np.ndarray, ShardedRows, JoinedRows)):
        return rows
    if hasattr(rows, "detach"):
        rows = rows.detach().cpu()
        # numpy has no bfloat16.
        rows = rows.float() if str(rows.dtype) == "torch.bfloat16" else rows
    return np.asarray(rows)


def _check_token_ids(token_ids, vocabulary):
    """Reject token ids that have no text, or would get that of another token."""
    if vocabulary is not None and (
        isinstance(vocabulary, (str, bytes, dict)) or not hasattr(vocabulary, "__getitem__")
    ):
        raise TypeError(
            f"vocabulary is {type(vocabulary).__name__}; pass a list with the text of each token "
            f"id, or None"
        )
    wrong = token_ids < 0
    accepted = "ids from 0 up"
    if vocabulary is not None:
        wrong |= token_ids >= len(vocabulary)
        accepted = f"ids from 0 to {len(vocabulary) - 1}, the last in the vocabulary"
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"token_ids[{row}] is {token_ids[row]}; pass {accepted}, as returned by the tokenizer, "
            f"and drop the rows of padding tokens"
        )


def _integers(name, values, n_rows):
    """Check one column of the token table and return it as an array."""
    column = np.asarray(values)
    if column.shape != (n_rows,) or column.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {column.shape} and dtype {column.dtype}; pass {n_rows} integers, "
            f"one per row"
        )
    return column
