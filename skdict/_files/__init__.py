"""Write files atomically, and validate files before trusting their content.

Floor 0: imports the standard library and numpy only.

To read: `read_bytes`, `read_text`, `read_json`, `parse_json`, `read_sealed`, `map_array`,
`read_tensors`, `read_npz` and `read_table` accept regular files only, check sizes before allocating
memory, and raise a ValueError that names the file. To write: `whole_folder` and `replace_file`
replace a folder or file in one step; `Lock` and `locked` admit one writer at a time to a folder.
"""

from skdict._files._arrays import map_array
from skdict._files._hashes import SHA256, hash_ends, hash_file
from skdict._files._json import parse_json, read_json
from skdict._files._leftovers import clear_leftovers, name_beside
from skdict._files._locks import Lock, locked
from skdict._files._npz import read_npz
from skdict._files._regular import open_regular, read_bytes, read_text
from skdict._files._seals import read_sealed, sealed
from skdict._files._tables import read_table
from skdict._files._tensors import read_tensors
from skdict._files._whole import (
    check_replaceable,
    link_folder,
    replace_file,
    restore_interrupted,
    settle,
    whole_folder,
)
from skdict._files._zips import DAMAGE, check_stored

__all__ = [
    "DAMAGE",
    "SHA256",
    "Lock",
    "check_replaceable",
    "check_stored",
    "clear_leftovers",
    "hash_ends",
    "hash_file",
    "link_folder",
    "locked",
    "map_array",
    "name_beside",
    "open_regular",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_npz",
    "read_sealed",
    "read_table",
    "read_tensors",
    "read_text",
    "replace_file",
    "restore_interrupted",
    "sealed",
    "settle",
    "whole_folder",
]
