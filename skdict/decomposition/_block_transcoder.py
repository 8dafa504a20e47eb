"""The part of a dictionary that writes one block of columns, as a transcoder."""

import numbers

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdict.decomposition._contract import is_transcoder
from skdict.decomposition._pretrained import PretrainedDictionary, PretrainedTranscoder
from skdict.decomposition._sparse_transcoder import SparseTranscoder

# Measures in the history that are those of all blocks together.
OF_ALL_BLOCKS = ("loss", "fvu", "fvu_inliers")


def block_transcoder(dictionary, block):
    """Return the part of a dictionary that writes one block of columns, as a transcoder.

    Its codes are those of the dictionary, computed from whole rows; it predicts the columns of the
    block. Use it where one hook point is meant: ``score(X, y)`` with the rows of the block as y
    gives their FVU, `dictionary_atoms` gives decoder directions at that hook point, and reports
    show its targets.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder or PretrainedDictionary
        Dictionary fitted with `blocks`, or a published crosscoder.
    block : int
        Index of the block.

    Returns
    -------
    SparseTranscoder or PretrainedTranscoder
        Fitted transcoder. Its decoder directions are the columns of `components_` in the block,
        whose lengths differ: a feature of other blocks has almost none. `block_` is the index of
        the block. It cannot be trained.

    Raises
    ------
    NotFittedError
        If the dictionary is not fitted.
    TypeError
        If the dictionary has no blocks, or `block` is not an integer.
    ValueError
        If the block does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.decomposition import block_transcoder
    >>> X = np.random.default_rng(0).standard_normal((200, 7))
    >>> sae = SparseDictionaryAutoencoder(14, blocks=[4, 3], random_state=0, max_iter=2).fit(X)
    >>> second = block_transcoder(sae, 1)
    >>> bool(np.allclose(second.predict(X), sae.inverse_transform(sae.transform(X))[:, 4:]))
    True
    """
    check_is_fitted(dictionary)
    sizes = getattr(dictionary, "blocks_", None)
    if sizes is None or is_transcoder(dictionary):
        raise TypeError(
            f"{type(dictionary).__name__} was not fitted with blocks; pass a "
            f"SparseDictionaryAutoencoder fitted with blocks=[...]"
        )
    if not isinstance(block, numbers.Integral) or isinstance(block, bool):
        raise TypeError(f"block={block!r} is not an integer; pass the index of a block")
    if not 0 <= block < len(sizes):
        raise ValueError(f"block={block} does not exist; pass 0 to {len(sizes) - 1}")
    columns = slice(*np.cumsum([0, *sizes])[block : block + 2])
    fitted = {name: value for name, value in vars(dictionary).items() if name.endswith("_")}
    fitted |= {
        "block_": int(block),
        "components_": np.ascontiguousarray(dictionary.components_[:, columns]),
        "target_mean_": dictionary.mean_[columns].copy(),
        "target_scale_": float(np.ravel(dictionary.scale_)[block]),
    }
    if isinstance(dictionary, PretrainedDictionary):
        transcoder = PretrainedTranscoder(**dictionary.get_params(deep=False))
        vars(transcoder).update(fitted)
        return transcoder
    return _sparse_transcoder(dictionary, block, fitted)


def _sparse_transcoder(dictionary, block, fitted):
    """Return a `SparseTranscoder` with fitted attributes and the parameters of a dictionary."""
    fitted.pop("tied_weights_", None)
    params, shared = dictionary.get_params(deep=False), SparseTranscoder().get_params(deep=False)
    params = {name: value for name, value in params.items() if name in shared}
    transcoder = SparseTranscoder(**params | {"dict_init": None, "warm_start": False})
    history = [
        {name: value for name, value in entry.items() if name not in OF_ALL_BLOCKS}
        for entry in dictionary.history_
    ]
    vars(transcoder).update(
        fitted,
        target_outlier_cutoff_=float(np.ravel(dictionary.outlier_cutoff_)[block]),
        history_=history,
    )
    return transcoder
