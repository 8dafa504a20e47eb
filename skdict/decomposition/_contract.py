"""Check that an estimator is a dictionary, and read its atoms and offset."""

import numpy as np

CHUNK_ROWS = 1024


def check_is_dictionary(estimator):
    """Check that an estimator is a fitted dictionary.

    Parameters
    ----------
    estimator : estimator
        Object to check. If it is a Pipeline, its last step is checked.

    Returns
    -------
    estimator
        The estimator, or the last step of the Pipeline.

    Raises
    ------
    TypeError
        If `components_`, `transform` or `inverse_transform` is missing; the message names it. If
        a Pipeline cannot decode.

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
    if last is not estimator and len(estimator.steps) > 1 and is_transcoder(last):
        raise TypeError(
            "a Pipeline that ends in a transcoder cannot decode, because its other steps belong to "
            "the rows that are encoded; pass its last step, with rows transformed by the others"
        )
    if last is not estimator and not hasattr(estimator, "inverse_transform"):
        raise TypeError(
            "a step of the Pipeline has no inverse_transform, so the Pipeline cannot decode; drop "
            "the steps that produce rows, as in pipeline[1:]"
        )
    needed = ("components_", "transform", "inverse_transform")
    missing = [name for name in needed if not hasattr(last, name)]
    if missing:
        raise TypeError(
            f"{type(last).__name__} has no {', '.join(missing)}: a dictionary is a fitted "
            f"estimator with components_, transform and inverse_transform"
        )
    return last


def is_transcoder(estimator):
    """Return True for transcoders, which predict other rows than those that they encode.

    A dictionary with the method `predict` is one; of a Pipeline, the last step counts. The
    estimator need not be fitted, and may be frozen by `to_torch`.
    """
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    decodes = hasattr(last, "inverse_transform") or hasattr(last, "decode")
    return decodes and hasattr(last, "predict")


def check_reconstructs_rows(estimator):
    """Check that an estimator reconstructs the rows that it encodes.

    Call this wherever reconstructions are compared with, or put in place of, the encoded rows.
    Equal widths do not show that a transcoder does not fit there.

    Parameters
    ----------
    estimator : estimator
        Dictionary or Pipeline, fitted or not.

    Raises
    ------
    ValueError
        If it is a transcoder.
    """
    if is_transcoder(estimator):
        raise ValueError(
            f"{type(estimator).__name__} predicts other rows than those that it encodes, so it has "
            f"no reconstruction of them; pass a dictionary, or compare predict(X) with its targets "
            f"by score(X, y)"
        )


def check_targets_given(estimator, y, name="y"):
    """Check that targets are given for a transcoder, and for no other dictionary.

    Parameters
    ----------
    estimator : estimator
        Dictionary or Pipeline, fitted or not.
    y : array-like or None
        Targets.
    name : str, default="y"
        Name of the targets in the message.

    Raises
    ------
    ValueError
        If it is a transcoder and there are no targets, or the other way round.
    """
    kind = type(estimator).__name__
    if is_transcoder(estimator) and y is None:
        raise ValueError(
            f"{kind} predicts other rows than those that it encodes; pass these rows as {name}"
        )
    if y is not None and not is_transcoder(estimator):
        raise ValueError(
            f"{name} is given, but {kind} reconstructs the rows that it encodes; use it without "
            f"{name}, on the rows that it was fitted on"
        )


def rest_of_prediction(transcoder, rows, codes):
    """Return the part of a transcoder's predictions that codes do not decode to.

    Parameters
    ----------
    transcoder : estimator
        Fitted transcoder.
    rows : ndarray of shape (n, d)
        Rows.
    codes : {ndarray, csr_array} of shape (n, m)
        Their codes.

    Returns
    -------
    ndarray of shape (n, d_out) or 0
        The skip connection, or its equivalent in transcoders of other libraries: what `predict`
        returns minus the decoded codes.
    """
    last = transcoder[-1] if hasattr(transcoder, "steps") else transcoder
    if hasattr(last, "_rest"):
        return last._rest(rows)
    return np.reshape(last.predict(rows), (len(rows), -1)) - last.inverse_transform(codes)


def dictionary_atoms(dictionary):
    """Return the decoder directions of any fitted dictionary.

    Row i is the change of the reconstruction per unit of code i: ``inverse_transform(e_i) -
    inverse_transform(0)``. For FastICA, these are the columns of `mixing_`, not `components_`.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary with `components_` and `inverse_transform`, or a Pipeline that ends in
        one.

    Returns
    -------
    ndarray of shape (n_components, n_features)
        Decoder directions, in the dtype of `components_`. Their lengths are not normalised.

    Raises
    ------
    TypeError
        If the estimator lacks `components_`, `transform` or `inverse_transform`.
    ValueError
        If `inverse_transform` is not a constant plus a sum of atoms times codes, for example
        because of a nonlinear step in a Pipeline.

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
        # In float64, because subtracting a large offset would lose the atoms in lower precision.
        units = np.eye(min(CHUNK_ROWS, n_components - start), n_components, start)
        atoms.append(_decode(dictionary, units) - offset)
    atoms = np.concatenate(atoms)
    _check_affine(dictionary, atoms, offset)
    return atoms.astype(components.dtype)


def _check_affine(dictionary, atoms, offset):
    """Raise ValueError if the dictionary does not decode codes to a sum of atoms."""
    codes = 1 + np.arange(len(atoms))[None] / len(atoms)
    rebuilt = _decode(dictionary, codes) - offset
    if not np.allclose(rebuilt, codes @ atoms, rtol=1e-3, atol=1e-3 * np.abs(atoms).max()):
        raise ValueError(
            f"{type(dictionary).__name__} does not decode by a sum of atoms, so it has no decoder "
            f"directions; if it is a Pipeline, leave nonlinear steps out of it"
        )


def dictionary_offset(dictionary):
    """Return the reconstruction of a row whose codes are all zero.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary with `components_` and `inverse_transform`, or a Pipeline that ends in
        one.

    Returns
    -------
    ndarray of shape (n_features,)
        Offset ``inverse_transform(0)``, in the dtype of `components_`.

    Raises
    ------
    TypeError
        If the estimator lacks `components_`, `transform` or `inverse_transform`.

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
    """Return the rows decoded from float64 codes as float64."""
    return np.asarray(dictionary.inverse_transform(codes), dtype=np.float64)
