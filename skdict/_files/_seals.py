"""Manifests sealed with a hash of their own content.

The hash comes first and covers every byte after it. A change is detected before any part of the
manifest is used, without reading the files that it describes.
"""

import hashlib
import json
import re

from skdict._files._json import MOST_BYTES, parse_json
from skdict._files._regular import read_bytes

NAME = "manifest_sha256"
SEAL = re.compile(rb'\{"manifest_sha256": "([0-9a-f]{64})",')
SEAL_BYTES = len('{"manifest_sha256": "",') + 64


def sealed(manifest, *, indent=None, finite=True):
    """Return a manifest as JSON that begins with a hash of the remainder.

    Parameters
    ----------
    manifest : dict
        Content to seal, not empty and JSON serialisable.
    indent : int, optional
        Number of spaces to indent each level by; a single line by default.
    finite : bool, default=True
        If True, reject NaN and infinities.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError
        If the manifest is not JSON serialisable.
    ValueError
        If `read_sealed` would not accept the manifest: it is too large, nested too deeply or not
        finite.
    """
    text = json.dumps(manifest, indent=indent)
    # Reject now what could not be read later.
    parse_json(text, "the manifest to save", finite=finite)
    rest = text.encode()[1:]
    if len(rest) + SEAL_BYTES > MOST_BYTES:
        raise ValueError(
            f"the manifest takes {len(rest)} bytes, but at most {MOST_BYTES - SEAL_BYTES} are "
            f"accepted; store less metadata or a smaller vocabulary"
        )
    return b'{"%s": "%s",' % (NAME.encode(), hashlib.sha256(rest).hexdigest().encode()) + rest


def read_sealed(path, form, version, *, finite=True):
    """Read a manifest, verify its hash, and return the remainder.

    Parameters
    ----------
    path : path
        File to read.
    form : str
        Required value of `format`.
    version : int
        Required value of `version`.
    finite : bool, default=True
        If True, reject NaN and infinities.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If the file is not JSON, has another format or version, or was changed after it was
        written.
    OSError
        If the file is missing or cannot be read.
    """
    content = read_bytes(path, most=MOST_BYTES)
    manifest = parse_json(content, repr(str(path)), finite=finite)
    found = manifest.get("format"), manifest.get("version")
    if found != (form, version) or isinstance(found[1], bool):
        raise ValueError(
            f"{str(path)!r} has format {found[0]!r}, version {found[1]!r}, but this version of "
            f"skdict reads {form!r}, version {version}; write it again"
        )
    seal = SEAL.match(content)
    if seal is None:
        raise ValueError(
            f"{str(path)!r} does not begin with its own hash ({NAME}), so another program wrote "
            f"it; restore the original, or write it again"
        )
    if seal[1].decode() != hashlib.sha256(memoryview(content)[seal.end() :]).hexdigest():
        raise ValueError(
            f"{str(path)!r} was changed after it was written: its content does not match its hash; "
            f"restore the original, or write it again"
        )
    del manifest[NAME]
    return manifest
