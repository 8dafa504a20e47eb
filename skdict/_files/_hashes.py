"""Hash files."""

import hashlib
import os
import re

from skdict._files._regular import open_regular

SHA256 = re.compile("[0-9a-f]{64}")
END_BYTES = 4096


def hash_file(path):
    """Return the SHA-256 of a regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_ends(path):
    """Return the SHA-256 of the first and last 4 KiB of a file, as a quick check of identity."""
    with open_regular(path) as file:
        digest = hashlib.sha256(file.read(END_BYTES))
        file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return digest.hexdigest()
