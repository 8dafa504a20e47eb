"""Find and download the files of a published dictionary on the Hugging Face hub."""

import posixpath
import re
from pathlib import Path

from skdict.io.formats._source import CHECKPOINTS, WEIGHTS, Source, relevant

REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
MOST_LISTED = 10


def is_repository(source):
    """Return True if a source has the form of a name on the hub."""
    return isinstance(source, str) and REPOSITORY.fullmatch(source) is not None


def hub_source(repository, subfolder, revision, hook_point):
    """Return the `Source` of a folder or file in a repository on the hub.

    Files are downloaded when they are read, into the hub's cache. Without a connection, those in
    the cache are used.

    Parameters
    ----------
    repository : str
        Name such as "owner/name".
    subfolder : str or None
        Folder or weight file in the repository; its root by default.
    revision : str or None
        Branch, tag or commit.
    hook_point : str or None
        See `Source`.

    Returns
    -------
    Source

    Raises
    ------
    FileNotFoundError
        If the repository or subfolder does not exist, or cannot be reached and is not cached.
    """
    from huggingface_hub.errors import HfHubHTTPError

    folder, only = _split(subfolder)
    try:
        commit, names, folders = _listed(repository, folder, revision)
    except HfHubHTTPError as error:
        raise _not_found(repository, subfolder, _told(error)) from error
    # Without a connection, the HTTP client raises errors of its own.
    except Exception as error:
        return _cached(repository, subfolder, revision, hook_point, error)
    if not names:
        raise FileNotFoundError(_folders_told(repository, folder, folders))

    def locate(name):
        return _download(repository, posixpath.normpath(posixpath.join(folder, name)), commit)

    return Source(relevant(names, only), _joined(repository, folder), locate, hook_point=hook_point)


def _split(subfolder):
    """Return the folder, and the name of the weight file if the path ends in one."""
    path = (subfolder or "").strip("/")
    if not path.endswith(WEIGHTS):
        return path, None
    folder, _, name = path.rpartition("/")
    return folder, name


def _listed(repository, folder, revision):
    """Return the commit, and the names of the files and folders in a folder.

    Files include those of the subfolder that some formats keep weights in.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    commit = api.repo_info(repository, revision=revision).sha

    def listed(path):
        return list(api.list_repo_tree(repository, path or None, revision=commit))

    entries = listed(folder)
    checkpoints = posixpath.join(folder, CHECKPOINTS)
    if any(entry.path == checkpoints for entry in entries):
        entries += listed(checkpoints)
    names = {True: [], False: []}
    for entry in entries:
        is_file = isinstance(entry, RepoFile) or entry.path.endswith(".dcp")
        names[is_file].append(posixpath.relpath(entry.path, folder or "."))
    return commit, names[True], names[False]


def _folders_told(repository, folder, folders):
    shown = ", ".join(repr(name) for name in folders[:MOST_LISTED])
    more = f" and {len(folders) - MOST_LISTED} more" if len(folders) > MOST_LISTED else ""
    return (
        f"{_joined(repository, folder)!r} on the hub contains no files, but the folders "
        f"{shown}{more}; pass the path to one dictionary as subfolder="
    )


def _download(repository, name, commit):
    """Return the path of a file in the hub's cache, downloading it if necessary."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, name, revision=commit))
    # Missing entries and lost connections raise errors of several libraries.
    except Exception as error:
        raise _not_found(repository, name, _told(error)) from error


def _cached(repository, subfolder, revision, hook_point, reason):
    """Return the source of a folder in the hub's cache."""
    from huggingface_hub import snapshot_download

    try:
        root = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except Exception as error:
        told = f"{_told(reason)}; it is not in the cache"
        raise _not_found(repository, subfolder, told) from error
    folder, only = _split(subfolder)
    if not (root / folder).is_dir():
        raise _not_found(
            repository, subfolder, "it is not in the cache, and there is no connection"
        )
    origin = _joined(repository, folder)
    return Source.of_folder(root / folder, origin, only=only, hook_point=hook_point)


def _joined(repository, folder):
    return f"{repository}/{folder}" if folder else repository


def _told(error):
    """Return the first line of an error."""
    return str(error).strip().split("\n")[0]


def _not_found(repository, path, reason):
    return FileNotFoundError(
        f"{_joined(repository, path)!r} is neither a folder or file on this machine nor available "
        f"on the hub ({reason}); check the name, subfolder and revision, or download the files and "
        f"pass their folder"
    )
