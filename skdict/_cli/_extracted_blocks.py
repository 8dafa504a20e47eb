"""Blocks of texts whose rows several processes extract side by side.

A block is as many consecutive texts as one shard of the final store. Each is written to a store of
its own, and the first process joins them in the order of the texts. The result therefore does not
depend on how many processes there are, nor on which of them reads which block, and an interrupted
run can be resumed with another number of processes.
"""

import shutil

from skdict._files import replace_file
from skdict._store import is_finished
from skdict.activations import ActivationsWriter
from skdict.feature_extraction import NoRowsError


class ExtractedBlocks:
    """Stores of single blocks of texts, beside the final stores of each hook point.

    Parameters
    ----------
    folder : Path
        Folder of the final stores.
    sources : dict of str to dict
        Everything that determines the rows of each final store, by hook point.
    """

    def __init__(self, folder, sources):
        self._sources = sources
        self._folders = {point: folder / f".{point}.blocks" for point in sources}

    def are_done(self, start):
        """Return True if the block that begins with text `start` is finished."""
        stores = self.stores(start).items()
        return all(is_finished(store, self._source(point, start)) for point, store in stores)

    def stores(self, start):
        """Return the folders of the stores of a block by hook point; none if it has no rows."""
        if self._empty(start).is_file():
            return {}
        return {point: folder / f"{start:09d}" for point, folder in self._folders.items()}

    def read(self, reading, texts, start, end):
        """Read the texts from `start` to `end` and write the stores of their block."""
        try:
            rows = reading.run(texts[start:end], first_document=start)
        except NoRowsError:
            replace_file(self._empty(start), b"")
            return
        for point, store in self.stores(start).items():
            with ActivationsWriter(store, source=self._source(point, start)) as writer:
                # A process may have died between writing and finishing the block.
                if writer.next_document < end:
                    writer.append(rows[point], next_document=end)
                if not writer.complete:
                    writer.finish()

    def remove(self):
        """Remove all blocks, once they are part of the final stores."""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _source(self, point, start):
        return self._sources[point] | {"first_text": start}

    def _empty(self, start):
        """Return the path of the file that marks a block without rows."""
        return next(iter(self._folders.values())) / f"{start:09d}.empty"
