"""Dictionaries saved in several files, each with the features of a part.

A file ``dictionary-START-STOP.safetensors`` holds the features from START to STOP, the latter
excluded; the first one also holds what belongs to all features. The manifest lists the files with
their hashes, and is written last.
"""

import hashlib
import re
from contextlib import ExitStack

import numpy as np
from safetensors.numpy import save

from skdict._core import agreed
from skdict._files import sealed, whole_folder
from skdict.decomposition import group_of_parts, per_feature
from skdict.io.formats.native._manifest import MANIFEST, check_state, read_arrays

NAME = re.compile(r"dictionary-(\d{1,12})-(\d{1,12})\.safetensors")


def write_parts(dictionary, folder, arrays, plain, describe):
    """Write a dictionary of which each process of a group holds a part, to a shared folder.

    Parameters
    ----------
    dictionary : estimator
        Estimator with `feature_range_`; all processes of its group call this function.
    folder : str or path
        Destination folder, which all processes can write to.
    arrays, plain : dict
        Fitted arrays of this process, and other fitted attributes.
    describe : callable
        Function from plain attributes and hashes to the manifest.
    """
    group, (start, stop, _) = group_of_parts(dictionary), plain.pop("feature_range_")
    with ExitStack() as stack:
        beside = None
        with agreed(group):
            check_state(type(dictionary).__name__, plain, arrays, "the dictionary to save")
            mine = arrays if group.rank == 0 else {n: arrays[n] for n in per_feature(arrays)}
            tensors = save(mine)
            if group.rank == 0:
                beside = stack.enter_context(whole_folder(folder, MANIFEST, "a saved dictionary"))
        beside = group.gather_objects(beside)[0]
        name, digest = f"dictionary-{start}-{stop}.safetensors", hashlib.sha256(tensors)
        with agreed(group):
            (beside / name).write_bytes(tensors)
        hashes = dict(group.gather_objects((name, digest.hexdigest())))
        with agreed(group):
            if group.rank == 0:
                text = sealed(describe(plain, hashes), indent=1, finite=False)
                (beside / MANIFEST).write_bytes(text)
                stack.close()


def spans_of(hashes, told):
    """Return the start and stop of each file that a manifest lists, by name.

    Raises
    ------
    ValueError
        If a name is not that of a part, or the parts do not follow each other from 0.
    """
    spans, end = {}, 0
    for name in hashes:
        found = NAME.fullmatch(name)
        spans[name] = tuple(map(int, found.groups())) if found else (-1, -1)
        if spans[name][0] != end or spans[name][1] < end:
            raise ValueError(
                f"{told} lists {name!r:.80} as a part, but a file with the features from {end} is "
                f"expected; save the dictionary again"
            )
        end = spans[name][1]
    return spans


def read_span(folder, hashes, start, stop):
    """Return the arrays of the features from `start` to `stop`, reading no other parts.

    Raises
    ------
    ValueError
        If a file is damaged, missing, or does not hold the features that its name states.
    """
    spans, shared, parts = spans_of(hashes, repr(str(folder / MANIFEST))), {}, []
    for i, (name, (first, end)) in enumerate(spans.items()):
        if i > 0 and (end <= start or first >= stop):
            continue
        arrays = read_arrays(folder, hashes[name], name)
        names = per_feature(arrays)
        if any(arrays[n].shape[:1] != (end - first,) for n in names):
            raise ValueError(
                f"{str(folder / name)!r} does not hold the {end - first} features that its name "
                f"states; save the dictionary again"
            )
        shared |= {n: array for n, array in arrays.items() if n not in names}
        mine = slice(max(start - first, 0), int(max(min(stop, end) - first, 0)))
        parts.append({n: arrays[n][mine] for n in names})
    names = set(parts[0]).union(*parts)
    if any(set(part) != names for part in parts):
        raise ValueError(
            f"the parts in {str(folder)!r} hold different arrays; save the dictionary again"
        )
    return shared | {n: np.concatenate([part[n] for part in parts]) for n in sorted(names)}
