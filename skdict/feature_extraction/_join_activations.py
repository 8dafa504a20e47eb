"""Join aligned activations of several hook points or models side by side."""

from skdict._store import JoinedRows
from skdict._validation import check_same_tokens
from skdict.activations import Activations


def join_activations(activations):
    """Join aligned activations side by side, as rows for a dictionary with `blocks`.

    Rows are read from the parts when they are needed, so nothing is copied, and stores on disk
    stay there.

    Parameters
    ----------
    activations : dict of str to Activations, or sequence of Activations
        Activations of the same tokens: at several hook points, as returned by
        `extract_activations`, or of several models with the same tokenizer.

    Returns
    -------
    rows : Activations
        Rows of shape (n_tokens, sum of widths), with the tokens of the parts. The metadata hold
        what the parts have in common, and under "blocks" the rest of each.
    blocks : list of int
        Width of each part, in order: the parameter `blocks` of `SparseDictionaryAutoencoder`.

    Raises
    ------
    TypeError
        If a part is not `Activations`.
    ValueError
        If there is no part, or the parts differ in their number of rows, documents, positions,
        token ids or vocabulary.

    See Also
    --------
    extract_activations : Read several hook points in one pass.
    skdict.decomposition.block_transcoder : The part of a dictionary that writes one block.

    Examples
    --------
    >>> from skdict import SparseDictionaryAutoencoder, load_stories
    >>> from skdict.feature_extraction import extract_activations, join_activations
    >>> stories = load_stories()
    >>> layers = extract_activations(
    ...     stories.model, ["resid_post.1", "resid_post.2"], stories.texts[:50]
    ... )
    >>> rows, blocks = join_activations(layers)
    >>> rows.shape[1], blocks
    (256, [128, 128])
    >>> crosscoder = SparseDictionaryAutoencoder(256, blocks=blocks, max_iter=1, random_state=0)
    >>> crosscoder.fit(rows).block_norms_.shape
    (256, 2)
    """
    if isinstance(activations, dict):
        names, parts = list(map(repr, activations)), list(activations.values())
    else:
        parts = list(activations)
        names = [f"part {i}" for i in range(len(parts))]
    if not parts:
        raise ValueError("activations is empty; pass the Activations of at least one hook point")
    for name, part in zip(names, parts, strict=True):
        _check_aligned((names[0], parts[0]), (name, part))
    first = parts[0]
    rows = Activations(
        JoinedRows(parts),
        documents=first.documents,
        positions=first.positions,
        token_ids=first.token_ids,
        vocabulary=first.vocabulary,
        metadata=_joined_metadata([part.metadata for part in parts]),
    )
    return rows, [part.shape[1] for part in parts]


def _check_aligned(first, other):
    (first_name, rows), (name, part) = first, other
    for label, given in (first, other):
        if not isinstance(given, Activations):
            raise TypeError(
                f"{label} is {type(given).__name__}; pass Activations, whose tokens show that rows "
                f"are aligned, or join arrays with numpy.hstack"
            )
    if len(part) != len(rows):
        raise ValueError(
            f"{first_name} has {len(rows)} rows but {name} has {len(part)}; read both from the "
            f"same texts with the same options, and select the same rows of both"
        )
    check_same_tokens(rows, part, (first_name, name))
    vocabularies = rows.vocabulary, part.vocabulary
    if None not in vocabularies and list(vocabularies[0]) != list(vocabularies[1]):
        raise ValueError(
            f"{first_name} and {name} have different vocabularies, so equal token ids are not "
            f"equal tokens; join activations of models with the same tokenizer"
        )


def _joined_metadata(several):
    """Return the entries that all have in common, and the others of each under "blocks"."""
    first, *rest = several
    common = {k: v for k, v in first.items() if all(k in m and m[k] == v for m in rest)}
    own = [{k: v for k, v in one.items() if k not in common} for one in several]
    return common | {"blocks": own}
