"""Stores of activations on disk: written shard by shard, mapped and not read.

Floor 1: imports numpy and `_files`. Nothing that is loaded runs code.

A store is a folder with a manifest, `activations.json`, and one folder for each shard, with
`rows.npy`, `documents.npy`, `positions.npy` and `token_ids.npy`. What the manifest does not list
is not part of the store, so a store is whole at every moment. The manifest has a hash of itself.
"""

from skdict._store._format import MANIFEST, read_manifest, store_digest
from skdict._store._order import check_order, first_out_of_order
from skdict._store._reading import open_store
from skdict._store._sharded_rows import ShardedRows
from skdict._store._writing import ActivationsWriter, write_whole

__all__ = [
    "MANIFEST",
    "ActivationsWriter",
    "ShardedRows",
    "check_order",
    "first_out_of_order",
    "open_store",
    "read_manifest",
    "store_digest",
    "write_whole",
]
