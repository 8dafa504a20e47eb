"""Check the directory of a zip file, in which torch and numpy store their arrays.

Archives are accepted only if nothing in them is compressed, so that no entry can take more memory
than the file has bytes.
"""

import struct
import zipfile

MOST_ENTRIES = 10_000
# What zipfile raises for damaged archives.
DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
    OSError,
    struct.error,
)


def check_stored(archive, size):
    """Return the entries of an open zip file, after checking that none is compressed.

    Parameters
    ----------
    archive : zipfile.ZipFile
        Open archive.
    size : int
        Size of its file in bytes.

    Returns
    -------
    list of zipfile.ZipInfo

    Raises
    ------
    ValueError
        If an entry is compressed, or the entries claim more bytes than the file has.
    """
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"{len(entries)} entries; at most {MOST_ENTRIES} are accepted")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{entry.filename[:80]!r} is compressed")
    claimed = sum(entry.file_size for entry in entries)
    if claimed > size:
        raise ValueError(f"its entries claim {claimed} bytes in a file of {size}")
    return entries
