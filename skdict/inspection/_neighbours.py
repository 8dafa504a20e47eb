"""Find similar features within a dictionary, in another one, and among token embeddings."""

import numpy as np
import scipy.sparse
from sklearn.utils import Bunch

from skdict._validation import as_host_array, check_flag, check_number
from skdict.decomposition import dictionary_atoms
from skdict.metrics import unit_rows

CHUNK_ROWS = 2048


def nearest_features(dictionary, reference=None, *, n_neighbors=5, center=False):
    """Return the most similar directions to each feature, by cosine similarity.

    Parameters
    ----------
    dictionary : estimator or array-like of shape (n_features, width)
        Fitted dictionary, whose decoder directions are compared, or an array of directions.
    reference : estimator, array-like of shape (n_directions, width) or None, default=None
        Directions to search: another dictionary, or an array such as
        ``model.get_input_embeddings().weight`` or ``model.get_output_embeddings().weight``, whose
        row indices are token ids. None searches the dictionary itself and excludes each feature
        from its own neighbours.
    n_neighbors : int, default=5
        Maximum number of neighbours.
    center : bool, default=False
        If True, subtract the mean of the reference directions first. Useful for token embeddings,
        which share a large common component.

    Returns
    -------
    Bunch
        `indices`, shape (n_features, n_neighbors), rows of the reference sorted from nearest to
        farthest, and `cosines`, the signed cosine similarities in the same shape.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary.
    ValueError
        If the widths differ.

    See Also
    --------
    skdict.metrics.max_cosine_similarity : Return the largest cosine similarities alone.

    Examples
    --------
    >>> from skdict.inspection import nearest_features
    >>> found = nearest_features([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], n_neighbors=1)
    >>> found.indices.ravel().tolist(), found.cosines.ravel().tolist()
    ([1, 2, 1], [0.6, 0.8, 0.8])
    """
    check_number("n_neighbors", n_neighbors, low=1, integer=True)
    check_flag("center", center)
    atoms = _directions(dictionary)
    others = atoms if reference is None else _directions(reference)
    if center:
        others = others - others.mean(axis=0)
    atoms, others = unit_rows(atoms, others)
    k = min(n_neighbors, len(others) - (reference is None))
    indices, cosines = [], []
    for start in range(0, len(atoms), CHUNK_ROWS):
        found = atoms[start : start + CHUNK_ROWS] @ others.T
        if reference is None:
            own = np.arange(len(found))
            found[own, start + own] = -np.inf
        # A full stable sort breaks ties in favour of the lower index.
        order = np.argsort(-found, axis=1, kind="stable")[:, :k]
        indices.append(order)
        cosines.append(np.take_along_axis(found, order, axis=1))
    return Bunch(indices=np.concatenate(indices), cosines=np.concatenate(cosines))


def feature_splitting(small, large, codes, large_codes, *, threshold=0.6, containment=0.9):
    """Return the features of a larger dictionary that each feature of a smaller one splits into.

    A feature of the larger dictionary is a part of a feature of the smaller one if the two point
    in similar directions and the part fires almost only where the smaller dictionary's feature
    does.

    Parameters
    ----------
    small, large : estimator or array-like of shape (n_features, width)
        Fitted dictionaries, or their decoder directions.
    codes, large_codes : {array-like, sparse matrix} of shape (n_samples, n_features)
        Codes of `small` and of `large` on the same rows.
    threshold : float, default=0.6
        Minimum cosine similarity between a feature and its part.
    containment : float, default=0.9
        Minimum fraction of the part's firings on which the feature also fires.

    Returns
    -------
    Bunch
        `parts`, a list with one array per feature of `small`, which holds its parts in `large`
        from nearest to farthest; `n_parts`, shape (n_features,), the number of parts. A feature
        that does not split has one part.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary.
    ValueError
        If the dictionaries differ in width, the codes differ in number of rows, or the codes do
        not match the number of features of their dictionary.

    Examples
    --------
    >>> from skdict.inspection import feature_splitting
    >>> small, codes = [[1.0, 0.0]], [[1.0], [1.0], [0.0]]
    >>> large, large_codes = [[0.8, 0.6], [0.8, -0.6]], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    >>> feature_splitting(small, large, codes, large_codes).parts[0].tolist()
    [0, 1]
    """
    check_number("threshold", threshold, low=-1, high=1)
    check_number("containment", containment, low=0, high=1)
    atoms, others = unit_rows(_directions(small), _directions(large))
    fired = [_fired(c, a) for c, a in ((codes, atoms), (large_codes, others))]
    if fired[0].shape[0] != fired[1].shape[0]:
        raise ValueError(
            f"codes have {fired[0].shape[0]} rows but large_codes have {fired[1].shape[0]}; pass "
            f"codes of the same rows"
        )
    firings = np.asarray(fired[1].sum(axis=0)).ravel()
    together = (fired[0].T @ fired[1]).tocsr()
    parts = []
    for i, atom in enumerate(atoms):
        both = together[[i]].toarray().ravel()
        cosines = others @ atom
        inside = (both > 0) & (both >= containment * firings) & (cosines >= threshold)
        found = np.flatnonzero(inside)
        parts.append(found[np.argsort(-cosines[found], kind="stable")])
    return Bunch(parts=parts, n_parts=np.array([len(part) for part in parts]))


def _fired(codes, atoms):
    codes = scipy.sparse.csr_array(as_host_array(codes))
    if codes.shape[1] != len(atoms):
        raise ValueError(
            f"codes have {codes.shape[1]} columns but the dictionary has {len(atoms)} features; "
            f"pass the codes of this dictionary"
        )
    return (codes > 0).astype(np.int64)


def _directions(dictionary):
    found = dictionary_atoms(dictionary) if hasattr(dictionary, "fit") else dictionary
    return np.asarray(as_host_array(found), dtype=np.float64)
