"""Stores that a run of `extract` writes, one for each hook point."""

from skdict._files import locked
from skdict.activations import ActivationsWriter


class Stores:
    """Stores of the hook points of a run: existing ones are resumed, others created on demand.

    A store is created when its first rows arrive. A run that fails earlier leaves no store behind
    that would reject other settings.

    Parameters
    ----------
    stack : ExitStack
        Stack that releases the folder and the stores.
    folder : Path
        Folder of the stores, locked for this run.
    sources : dict of str to dict
        Everything that determines the rows of each store, by hook point.

    Raises
    ------
    ValueError
        If a store was made with other settings.
    FileExistsError
        If a folder exists and is not a store, or another process is writing to it.
    """

    def __init__(self, stack, folder, sources):
        stack.enter_context(locked(folder))
        self._stack, self._folder, self._sources = stack, folder, sources
        self._writers = {}
        for point in sources:
            if (folder / point).exists():
                self._open(point)

    def n_done(self, n_texts):
        """Return the number of texts that each store contains, by hook point."""
        done = dict.fromkeys(self._sources, 0)
        for point, writer in self._writers.items():
            done[point] = n_texts if writer.complete else writer.next_document
        return done

    def append(self, activations, start, end):
        """Write the rows of texts `start` to `end` to the stores that lack them."""
        for point in activations.keys() - self._writers.keys():
            self._open(point)
        for point, rows in activations.items():
            writer = self._writers[point]
            # If the process died between writing two stores, the first is one chunk ahead.
            if not writer.complete and writer.next_document <= start:
                writer.append(rows, next_document=end)

    def adopt(self, folders, start):
        """Append finished stores of the block that begins with text `start`, by hook point."""
        for point in folders.keys() - self._writers.keys():
            self._open(point)
        for point, folder in folders.items():
            writer = self._writers[point]
            if not writer.complete and writer.next_document <= start:
                writer.adopt(folder)

    def finish(self):
        """Mark all stores as finished."""
        for writer in self._writers.values():
            if not writer.complete:
                writer.finish()

    def _open(self, point):
        writer = ActivationsWriter(self._folder / point, source=self._sources[point])
        self._writers[point] = self._stack.enter_context(writer)
        return writer
