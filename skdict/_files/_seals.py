"""Manifests that carry a hash of themselves.

The hash comes first and covers every byte after it, so that any change is found before anything in
the manifest is believed, without reading the files that it describes.
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
    """Return a manifest as JSON that begins with a hash of what follows.

    Parameters
    ----------
    manifest : dict
        Not empty; must fit in JSON.
    indent : int, optional
        Spaces to indent each level by; on one line by default.
    finite : bool, default=True
        Refuse NaN and infinities.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError
        If it does not fit in JSON.
    ValueError
        If `read_sealed` would not accept it: it is too large, nested too deeply or not finite.
    """
    text = json.dumps(manifest, indent=indent)
    # Refused now, while there is something to be done about it.
    parse_json(text, "what is to be saved", finite=finite)
    rest = text.encode()[1:]
    if len(rest) + SEAL_BYTES > MOST_BYTES:
        raise ValueError(
            f"the manifest takes {len(rest)} bytes where at most {MOST_BYTES - SEAL_BYTES} are "
            f"accepted; keep less metadata, or a smaller vocabulary"
        )
    return b'{"%s": "%s",' % (NAME.encode(), hashlib.sha256(rest).hexdigest().encode()) + rest


def read_sealed(path, form, version, *, finite=True):
    """Return a manifest that is as it was written, without its hash.

    Parameters
    ----------
    path : path
        The file.
    form : str
        The `format` that it must state.
    version : int
        The `version` that it must state.
    finite : bool, default=True
        Refuse NaN and infinities.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If it is not JSON, states another format or version, or was changed after it was written.
    OSError
        If it is missing or cannot be read.
    """
    content = read_bytes(path, most=MOST_BYTES)
    manifest = parse_json(content, repr(str(path)), finite=finite)
    found = manifest.get("format"), manifest.get("version")
    if found != (form, version) or isinstance(found[1], bool):
        raise ValueError(
            f"{str(path)!r} has format {found[0]!r}, version {found[1]!r}; this skdict reads "
            f"{form!r}, version {version}: write it again"
        )
    seal = SEAL.match(content)
    if seal is None:
        raise ValueError(
            f"{str(path)!r} does not begin with a hash of itself ({NAME}): another program wrote "
            f"it; put the original back, or write it again"
        )
    if seal[1].decode() != hashlib.sha256(memoryview(content)[seal.end() :]).hexdigest():
        raise ValueError(
            f"{str(path)!r} was changed after it was written: its hash of itself does not match; "
            f"put the original back, or write it again"
        )
    del manifest[NAME]
    return manifest
