"""Read Qwen Scope: ``layerL.sae.pt`` in a repository such as SAE-Res-MODEL-W32K-L0_50."""

import re

from skdict.io.formats._layout import check_k, take
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

PATTERN = r"layer(\d+)\.sae\.pt"
FILES = "layer0.sae.pt, layer1.sae.pt, ... (Qwen Scope)"
LAYOUT = {"W_enc": "nd", "b_enc": "n", "W_dec": "dn", "b_dec": "d"}
REPOSITORY = re.compile(r"SAE-Res-(?P<model>[\w.-]+?)-W\d+K-L0_(?P<k>\d+)")


def matches(source):
    """Return True if a source has files of Qwen Scope."""
    return bool(source.matching(PATTERN))


def read(source):
    """Return the dictionary of one layer.

    Parameters
    ----------
    source : Source
        Folder with one such file, whose path contains the name of the repository.

    Returns
    -------
    PretrainedDictionary

    Raises
    ------
    ValueError
        If the path does not state k, or tensors are missing or damaged.
    """
    name = source.one_of(PATTERN)
    tensors = source.tensors(name)
    match = REPOSITORY.search(source.origin)
    if match is None:
        raise ValueError(
            f"{str(tensors.path)!r} does not state how many features are kept per row, only its "
            f"repository does; keep the repository's name in the path, such as "
            f"SAE-Res-Qwen3-1.7B-Base-W32K-L0_50/{name}"
        )
    found = take(tensors, LAYOUT)
    k = check_k(int(match["k"]), len(found["b_enc"]), source.origin)
    published = Published(
        found["W_enc"],
        found["b_enc"],
        found["W_dec"].T,
        found["b_dec"],
        subtracts_bias=False,
        k=k,
    )
    metadata = described(
        "qwen_scope",
        tensors,
        architecture="topk",
        model=f"Qwen/{match['model']}",
        hook_point=f"resid_post.{int(re.fullmatch(PATTERN, name)[1])}",
        l0=k,
    )
    return published.fitted(metadata)
