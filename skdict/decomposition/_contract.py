"""What makes an estimator a dictionary."""

import numpy as np

CHUNK_ROWS = 1024


def check_is_dictionary(estimator):
    """Refuse an estimator that is no fitted dictionary.

    Parameters
    ----------
    estimator : estimator
        Anything; of a Pipeline, the last step counts.

    Returns
    -------
    estimator
        The dictionary itself: the estimator, or the last step of the Pipeline.

    Raises
    ------
    TypeError
        If `components_`, `transform` or `inverse_transform` is missing; the message says which.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from skdict.decomposition import check_is_dictionary
    >>> check_is_dictionary(KMeans())
    Traceback (most recent call last):
    ...
    TypeError: KMeans has no components_, inverse_transform: a dictionary is a fitted estimator...
    """
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if last is not estimator and not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            "a step of the Pipeline has no inverse_transform, so it does not decode; leave out the "
            "steps that make rows, as in pipeline[1:]"
        )
    needed = ("components_", "transform", "inverse_transform")
    missing = [name for name in needed if not hasattr(last, name)]
    if missing:
        raise TypeError(
            f"{type(last).__name__} has no {', '.join(missing)}: a dictionary is a fitted "
            f"estimator with components_, transform and inverse_transform"
        )
    return last


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
        The atoms, in the dtype of `components_`.

    Raises
    ------
    TypeError
        If the estimator has no `components_` or no `inverse_transform`.
    ValueError
        If it does not decode by a sum of atoms (as after a nonlinear step of a Pipeline).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skdict.decomposition import dictionary_atoms
    >>> pca = PCA(2).fit(np.random.default_rng(0).standard_normal((50, 4)))
    >>> bool(np.allclose(dictionary_atoms(pca), pca.components_))
    True
    """
    components = check_is_dictionary(dictionary).components_
    n_components = len(components)
    offset = _decode(dictionary, np.zeros((1, n_components)))[0]
    atoms = []
    for start in range(0, n_components, CHUNK_ROWS):
        # float64, because a large offset would cancel the atoms in less.
        units = np.eye(min(CHUNK_ROWS, n_components - start), n_components, start)
        atoms.append(_decode(dictionary, units) - offset)
    atoms = np.concatenate(atoms)
    _check_affine(dictionary, atoms, offset)
    return atoms.astype(components.dtype)


def _check_affine(dictionary, atoms, offset):
    """Refuse a dictionary that decodes a sum of codes to something else than a sum of atoms."""
    codes = 1 + np.arange(len(atoms))[None] / len(atoms)
    rebuilt = _decode(dictionary, codes) - offset
    if not np.allclose(rebuilt, codes @ atoms, rtol=1e-3, atol=1e-3 * np.abs(atoms).max()):
        raise ValueError(
            f"{type(dictionary).__name__} does not decode by a sum of atoms, so it has no "
            f"decoding directions; leave nonlinear steps out of the Pipeline that it ends"
        )


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
    components = check_is_dictionary(dictionary).components_
    return _decode(dictionary, np.zeros((1, len(components))))[0].astype(components.dtype)


def _decode(dictionary, codes):
    """Return rows for float64 codes, in float64 where the dictionary has it."""
    return np.asarray(dictionary.inverse_transform(codes), dtype=np.float64)
