"""The files of one published dictionary, on disk or on the hub, read on demand."""

import re
from dataclasses import dataclass
from pathlib import Path

from skdict._files import read_json, read_npz, read_tensors
from skdict.io.formats._torch_file import read_torch
from skdict.io.formats._yaml import read_yaml

WEIGHTS = (".safetensors", ".pt", ".pth", ".npz", ".dcp")
# The one subfolder that some formats keep weights in.
CHECKPOINTS = "checkpoints"
# Names in safetensors of the precisions of numpy.
PRECISIONS = {"f2": "F16", "f4": "F32", "f8": "F64"}


@dataclass(frozen=True)
class TensorSet:
    """Tensors of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    arrays : dict of str to ndarray
        Arrays by name.
    plain : dict of str to object
        Other values by name.
    dtypes : dict of str to str
        Dtypes in the file, such as "BF16", where they are known.
    sha256 : str
        SHA-256 of a safetensors file; empty for other kinds.
    """

    path: Path
    arrays: dict
    plain: dict
    dtypes: dict
    sha256: str = ""


class Source:
    """Folder or single file that may hold a published dictionary.

    Parameters
    ----------
    names : iterable of str
        Names of the files, relative to the folder. If a single file is meant, other weight files
        are left out.
    origin : str
        Path of the folder, with the repository if it is on the hub; formats parse it for what the
        files themselves do not state.
    locate : callable
        Function from the name of a file to its path on this machine. It downloads files on the hub
        and raises FileNotFoundError for missing ones.
    hook_point : str, optional
        Hook point that the user named.

    Attributes
    ----------
    names : tuple of str
        Names in natural order: "layer_10" comes after "layer_9".
    """

    def __init__(self, names, origin, locate, *, hook_point=None):
        self.names = tuple(sorted(names, key=natural))
        self.origin, self.hook_point = origin, hook_point
        self._locate, self._tensors = locate, {}

    @classmethod
    def of_folder(cls, folder, origin=None, *, only=None, hook_point=None):
        """Return the source for a folder on this machine.

        Parameters
        ----------
        folder : pathlib.Path
            Existing folder.
        origin : str, optional
            See `Source`; by default the path of the folder.
        only : str, optional
            Name of the single weight file that is meant.
        hook_point : str, optional
            See `Source`.
        """
        inside = [p.name for p in folder.iterdir() if not p.is_dir() or p.suffix == ".dcp"]
        if (folder / CHECKPOINTS).is_dir():
            inside += [f"{CHECKPOINTS}/{path.name}" for path in (folder / CHECKPOINTS).iterdir()]
        names = relevant(inside, only)
        return cls(names, origin or str(folder), folder.joinpath, hook_point=hook_point)

    def __contains__(self, name):
        return name in self.names

    def matching(self, pattern):
        """Return the names that a regular expression matches as a whole."""
        return [name for name in self.names if re.fullmatch(pattern, name)]

    def one_of(self, pattern):
        """Return the only name that a regular expression matches as a whole.

        Raises
        ------
        ValueError
            If there are several; the message lists them in natural order.
        """
        names = self.matching(pattern)
        if len(names) > 1:
            raise ValueError(
                f"{self.origin!r} holds {len(names)} dictionaries: {', '.join(names)}; pass the "
                f"path of one of these files, or its name as subfolder="
            )
        return names[0]

    def torch_tensors(self):
        """Return the `TensorSet` of the only torch file, or None if there is not exactly one."""
        names = self.matching(r"[^/]+\.pth?")
        return self.tensors(names[0]) if len(names) == 1 else None

    def path(self, name):
        """Return the path of a file on this machine."""
        return self._locate(name)

    def json(self, name):
        """Return the object in a JSON file."""
        return read_json(self.path(name))

    def yaml(self, name):
        """Return the mapping in a YAML file."""
        return read_yaml(self.path(name))

    def optional(self, name, read):
        """Return what `read` returns for a file, or an empty dict if there is no such file."""
        try:
            return read(self.path(name))
        except FileNotFoundError:
            return {}

    def tensors(self, name):
        """Return the `TensorSet` of a file, read once.

        Raises
        ------
        ValueError
            If the file is missing or damaged, or is not a file of tensors.
        """
        if name not in self._tensors:
            self._tensors[name] = self._read(name)
        return self._tensors[name]

    def _read(self, name):
        path = self.path(name)
        try:
            if path.suffix == ".npz":
                arrays = read_npz(path)
                kinds = {
                    name: PRECISIONS.get(array.dtype.str[1:]) for name, array in arrays.items()
                }
                return TensorSet(path, arrays, {}, {n: kind for n, kind in kinds.items() if kind})
            if path.suffix in (".pt", ".pth"):
                return TensorSet(path, *read_torch(path))
            file = read_tensors(path)
        except FileNotFoundError as error:
            raise ValueError(
                f"{str(path)!r} cannot be read: it is missing; get a complete copy of the folder"
            ) from error
        return TensorSet(path, file.arrays, file.metadata, file.dtypes, file.sha256)


def relevant(names, only):
    """Return names without the weight files other than `only`, if that is given."""
    if only is None:
        return names
    return [name for name in names if name == only or not name.endswith(WEIGHTS)]


def natural(name):
    """Return a sort key that orders the numbers in a name by value."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
