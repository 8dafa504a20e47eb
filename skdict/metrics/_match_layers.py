"""Match the features of neighbouring layers by their codes and directions."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from skdict._validation import check_number, check_same_tokens
from skdict.activations import Activations
from skdict.decomposition import dictionary_atoms
from skdict.metrics._agreement import code_correlations
from skdict.metrics._similarity import unit_rows

KINDS = ("persists", "turns", "vanishes", "appears")


@dataclass(frozen=True)
class LayerMatch:
    """Matching of the features of two neighbouring layers.

    Attributes
    ----------
    below, above : str
        Names of the layers.
    partners : ndarray of shape (m,), dtype int64
        For each feature below, its partner above; -1 if it has none.
    correlations : ndarray of shape (m,), dtype float64
        Correlation of the codes of each pair; NaN without a partner.
    cosines : ndarray of shape (m,), dtype float64
        Cosine of the decoder directions of each pair; NaN without a partner.
    kinds : ndarray of shape (m,), dtype str
        Kind of each feature below: "persists", "turns", "vanishes", or "dead" if it never fires.
    kinds_above : ndarray of shape (k,), dtype str
        Kind of each feature above: "persists" or "turns", as its partner, "appears", or "dead".
    """

    below: str
    above: str
    partners: np.ndarray
    correlations: np.ndarray
    cosines: np.ndarray
    kinds: np.ndarray
    kinds_above: np.ndarray

    def counts(self):
        """Return the number of features of each kind.

        Returns
        -------
        dict of str to int
            Numbers of features that persist, turn, vanish (of the layer below) and appear (of the
            layer above).
        """
        both = np.concatenate([self.kinds, self.kinds_above[self.kinds_above == "appears"]])
        return {kind: int((both == kind).sum()) for kind in KINDS}


def match_layers(dictionaries, layers, *, min_correlation=0.5, min_cosine=0.7):
    """Match the features of neighbouring layers: which persist, turn, appear and vanish.

    Features are matched one to one so that the sum of the correlations of their codes on the same
    tokens is largest. A pair whose codes correlate by at least `min_correlation` persists if the
    cosine of its decoder directions is at least `min_cosine`, and turns otherwise: the same tokens
    activate it, along another direction. A feature without such a partner vanishes if it is of the
    layer below, and appears if it is of the layer above.

    Parameters
    ----------
    dictionaries : dict of str to estimator
        Fitted dictionary of each layer, from the lowest, as returned by `fit_layers`.
    layers : dict of str to array-like of shape (n_samples, n_features)
        Rows of the same tokens at each layer.
    min_correlation : float, default=0.5
        Smallest correlation of the codes of a pair, between 0 and 1.
    min_cosine : float, default=0.7
        Smallest cosine of the decoder directions of a feature that persists, between -1 and 1.

    Returns
    -------
    list of LayerMatch
        Matching of each layer with the next.

    Raises
    ------
    TypeError
        If either argument is not a dict, or a dictionary is not one.
    ValueError
        If there are fewer than two layers, a layer has no rows, or the rows differ in number or
        tokens or, for the cosines, in width.

    See Also
    --------
    skdict.decomposition.fit_layers : Fit dictionaries to a stack of layers.
    skdict.inspection.LayerFeaturesDisplay : Plot the numbers of features of each kind.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.metrics import match_layers
    >>> rows = np.random.default_rng(0).exponential(size=(100, 3))
    >>> turned = np.stack([rows[:, 0], rows[:, 2], np.zeros(100)], axis=1)
    >>> layers = {"low": rows, "high": turned}
    >>> neurons = {name: IdentityDictionary().fit(x) for name, x in layers.items()}
    >>> (match,) = match_layers(neurons, layers)
    >>> match.kinds.tolist(), match.kinds_above.tolist()
    (['persists', 'vanishes', 'turns'], ['persists', 'turns', 'dead'])
    """
    check_number("min_correlation", min_correlation, above=0, high=1)
    check_number("min_cosine", min_cosine, low=-1, high=1)
    _check_aligned(dictionaries, layers)
    found, encoded = [], None
    for below, above in pairwise(dictionaries):
        first = encoded or _encoded(dictionaries[below], layers[below])
        encoded = _encoded(dictionaries[above], layers[above])
        found.append(_match((below, above), first, encoded, min_correlation, min_cosine))
    return found


def _encoded(dictionary, rows):
    return dictionary.transform(rows), dictionary_atoms(dictionary)


def _match(names, first, second, min_correlation, min_cosine):
    (codes, atoms), (codes_above, atoms_above) = first, second
    correlations = code_correlations(codes, codes_above)
    chosen, partners = linear_sum_assignment(correlations, maximize=True)
    kept = correlations[chosen, partners] >= min_correlation
    chosen, partners = chosen[kept], partners[kept]
    directions = unit_rows(atoms[chosen], atoms_above[partners])
    cosines = np.einsum("ij,ij->i", *directions) if len(chosen) else np.zeros(0)
    kinds = np.where(cosines >= min_cosine, "persists", "turns")
    below, above = (
        _kinds(codes, chosen, kinds, "vanishes"),
        _kinds(codes_above, partners, kinds, "appears"),
    )
    m = len(below)
    return LayerMatch(
        *names,
        partners=_spread(m, chosen, partners, -1),
        correlations=_spread(m, chosen, correlations[chosen, partners], np.nan),
        cosines=_spread(m, chosen, cosines, np.nan),
        kinds=below,
        kinds_above=above,
    )


def _spread(m, features, values, rest):
    """Return an array over all features with values for some of them."""
    spread = np.full(m, rest)
    spread[features] = values
    return spread


def _kinds(codes, matched, kinds, rest):
    """Return the kind of each feature: as matched, "dead", or the rest."""
    fires = np.asarray((codes != 0).sum(axis=0)).ravel() > 0
    every = np.where(fires, rest, "dead").astype("<U8")
    every[matched] = kinds
    return every


def _check_aligned(dictionaries, layers):
    for name, given in (("dictionaries", dictionaries), ("layers", layers)):
        if not isinstance(given, dict):
            raise TypeError(f"{name} is {type(given).__name__}; pass a dict with a key per layer")
    if len(dictionaries) < 2:
        raise ValueError(f"dictionaries has {len(dictionaries)} layers; pass at least two")
    missing = [name for name in dictionaries if name not in layers]
    if missing:
        raise ValueError(f"layers has no rows of {missing[0]!r}; pass rows of every dictionary")
    names = list(dictionaries)
    for name in names[1:]:
        first, rows = layers[names[0]], layers[name]
        if len(rows) != len(first):
            raise ValueError(
                f"{names[0]!r} has {len(first)} rows but {name!r} has {len(rows)}; pass rows of "
                f"the same tokens"
            )
        if isinstance(first, Activations) and isinstance(rows, Activations):
            check_same_tokens(first, rows, (repr(names[0]), repr(name)))
