"""What makes an estimator a dictionary."""

import numpy as np

CHUNK_ROWS = 1024


def dictionary_atoms(dictionary):
    """Return the decoding directions of any fitted dictionary.

    Row i is what one unit of code i adds to a row: ``inverse_transform(e_i) -
    inverse_transform(0)``. For FastICA these are the mixing columns, not `components_`.

    Parameters
    ----------
    dictionary : estimator
        Fitted, with `components_` and `inverse_transform`; a Pipeline ends in one.

    Returns
    -------
    ndarray of shape (n_components, n_features)
        The atoms, in the dtype that `inverse_transform` gives.

    Raises
    ------
    TypeError
        If the estimator has no `components_` or no `inverse_transform`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import dictionary_atoms
    >>> pca = PCA(2).fit(np.random.default_rng(0).standard_normal((50, 4)))
    >>> bool(np.allclose(dictionary_atoms(pca), pca.components_))
    True
    """
    components = _components(dictionary)
    n_components, dtype = len(components), components.dtype
    offset = dictionary_offset(dictionary)
    atoms = []
    for start in range(0, n_components, CHUNK_ROWS):
        units = np.eye(min(CHUNK_ROWS, n_components - start), n_components, start, dtype=dtype)
        atoms.append(dictionary.inverse_transform(units) - offset)
    return np.concatenate(atoms)


def dictionary_offset(dictionary):
    """Return what a dictionary decodes from no code at all.

    Parameters
    ----------
    dictionary : estimator
        Fitted, with `components_` and `inverse_transform`; a Pipeline ends in one.

    Returns
    -------
    ndarray of shape (n_features,)
        ``inverse_transform(0)``.

    Raises
    ------
    TypeError
        If the estimator has no `components_` or no `inverse_transform`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import dictionary_offset
    >>> pca = PCA(2).fit(np.random.default_rng(0).standard_normal((50, 4)))
    >>> bool(np.allclose(dictionary_offset(pca), pca.mean_))
    True
    """
    components = _components(dictionary)
    nothing = np.zeros((1, len(components)), dtype=components.dtype)
    return dictionary.inverse_transform(nothing)[0]


def _components(dictionary):
    """Return `components_` of a dictionary, or of the last step of a Pipeline."""
    last = dictionary[-1] if hasattr(dictionary, "steps") else dictionary
    for name in ("components_", "inverse_transform"):
        if not hasattr(last, name):
            raise TypeError(
                f"{type(last).__name__} has no {name}: a dictionary is a fitted estimator with "
                f"components_, transform and inverse_transform"
            )
    return last.components_
