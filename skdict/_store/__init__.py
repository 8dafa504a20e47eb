"""Stores of activations on disk, written shard by shard and read by memory-mapping.

Floor 1: imports numpy, `_files` and `_vocabulary`. Loading a store never runs code.

A store is a folder with a manifest, `activations.json`, and one folder per shard with `rows.npy`,
`documents.npy`, `positions.npy` and `token_ids.npy`. A vocabulary with vectors adds
`token_vectors.npy` next to the manifest. Files that the manifest does not list are not
part of the store, so a store is consistent at every moment. The manifest includes its own hash.
"""

from skdict._store._format import MANIFEST, is_finished, read_manifest, store_digest
from skdict._store._joined_rows import JoinedRows
from skdict._store._order import check_order, first_out_of_order
from skdict._store._reading import open_store
from skdict._store._row_numbers import pack_rows, unpack_rows
from skdict._store._sharded_rows import ShardedRows
from skdict._store._stored_table import StoredTable
from skdict._store._writing import ActivationsWriter, write_whole

__all__ = [
    "MANIFEST",
    "ActivationsWriter",
    "JoinedRows",
    "ShardedRows",
    "StoredTable",
    "check_order",
    "first_out_of_order",
    "is_finished",
    "open_store",
    "pack_rows",
    "read_manifest",
    "store_digest",
    "unpack_rows",
    "write_whole",
]
