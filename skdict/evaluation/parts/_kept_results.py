"""Results of parts in files, so that an interrupted evaluation continues."""

import json
from pathlib import Path

from skdict._files import read_json, replace_file
from skdict.decomposition import dictionary_atoms, dictionary_offset, encode_blocks
from skdict.io import sha256_of

VERSION = 1
# Rows whose codes tell two dictionaries with the same directions apart.
N_ROWS = 64


class KeptResults:
    """Results of the parts of one evaluation, one file for each part and dictionary.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    digest : str
        Hash of the model and of the activations.
    """

    def __init__(self, folder, digest):
        self._folder, self._digest = Path(folder), digest
        self._folder.mkdir(parents=True, exist_ok=True)

    def find(self, part, dictionary_hash):
        """Return the result of a part as a dict, or None if it has not been measured."""
        identity = self._identity(part, dictionary_hash)
        path = self._path(part, identity)
        if not path.is_file():
            return None
        result = read_json(path)
        if result["identity"] != identity:
            raise ValueError(
                f"{str(path)!r} holds the result of another evaluation; remove it, or pass another "
                f"folder"
            )
        return {name: _as_numbers(result[name]) for name in ("measures", "counts", "seconds")}

    def keep(self, part, dictionary_hash, result):
        """Write the result of a part."""
        identity = self._identity(part, dictionary_hash)
        content = {"identity": identity} | {name: as_json(v) for name, v in result.items()}
        text = json.dumps(content, indent=1, allow_nan=False)
        replace_file(self._path(part, identity), text.encode())

    def _identity(self, part, dictionary_hash):
        identity = {
            "version": VERSION,
            "part": part.name,
            "settings": part.settings,
            "rows": self._digest,
            "dictionary": dictionary_hash,
        }
        return json.loads(json.dumps(identity))

    def _path(self, part, identity):
        return self._folder / f"{part.name}-{sha256_of({}, identity)[:16]}.json"


def hash_dictionary(dictionary, acts):
    """Return a hash of the directions of a dictionary and of its codes on a few rows."""
    (_, _, codes), *_ = encode_blocks(dictionary, acts[:N_ROWS])
    arrays = {
        "atoms": dictionary_atoms(dictionary),
        "offset": dictionary_offset(dictionary),
        "codes": codes.toarray() if hasattr(codes, "toarray") else codes,
    }
    return sha256_of(arrays, {})


def as_json(value):
    """Return numbers for JSON, which has no nan."""
    if isinstance(value, dict):
        return {key: as_json(v) for key, v in value.items()}
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def _as_numbers(value):
    if isinstance(value, dict):
        return {key: _as_numbers(v) for key, v in value.items()}
    return float("nan") if value is None else value
