"""The content of a store, passed between processes by its path."""

from pathlib import Path

from skdict._store._reading import open_store


class StoredTable:
    """The rows, token table and vocabulary of an open store, by name.

    Pickling keeps the path and the digest of the store. The copy opens the store when it is first
    read, so that a failure is raised by the code that reads it and not by the unpickling.

    Parameters
    ----------
    folder : path
        Folder of the finished store.
    digest : str
        Its `store_digest`.
    content : dict
        Its content, as returned by `open_store`.
    """

    def __init__(self, folder, digest, content):
        # Symbolic links are kept, because they may lead elsewhere on another machine.
        self._folder, self._digest = Path(folder).absolute(), digest
        self._content = content

    def __getitem__(self, name):
        if self._content is None:
            self._content = _open_again(self._folder, self._digest)
        return self._content[name]

    def __getstate__(self):
        return vars(self) | {"_content": None}


def _open_again(folder, digest):
    """Return the content of a store that another process has opened.

    Raises
    ------
    FileNotFoundError
        If the store or one of its files is missing.
    ValueError
        If the store has other content, or a file of it is damaged.
    """
    try:
        content, _, found = open_store(folder, verify=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}. Another process sent these activations by the path of their store; make the "
            f"store available at {str(folder)!r} on every machine that reads them"
        ) from error
    if found != digest:
        raise ValueError(
            f"{str(folder)!r} has changed since the store was loaded; load the store again"
        )
    return content
