"""Rows made of known sparse features."""

import numpy as np
import scipy.sparse
from scipy.special import ndtr
from sklearn.utils import Bunch, check_random_state

from skdict._validation import check_flag, check_number

BLOCK_VALUES = 4_000_000


def make_sparse_features(
    n_samples=10_000,
    *,
    n_features=128,
    n_components=256,
    n_active=5,
    decay=0.99,
    correlated=False,
    noise=0.0,
    random_state=None,
):
    r"""Make rows that are sparse sums of planted unit directions.

    .. math:: x = \sum_j a_j g_j + \sigma \epsilon, \qquad
        P(a_j > 0) = p_j \propto \mathrm{decay}^j, \qquad \sum_j p_j = \mathrm{n\_active}

    with directions :math:`g_j` uniform on the unit sphere, magnitudes uniform in (0, 1] where
    a feature fires, and standard normal noise. The toy data of [1]_ with three
    differences: there the probabilities are not normalised after the decay, so that a nominal
    5 of 512 features makes 0.97 active on average, and here `n_active` is what it says;
    there correlated features share one draw for a whole batch, and here each row has its own;
    there a row without any feature is given one, and here it stays empty.

    Parameters
    ----------
    n_samples : int, default=10_000
        Rows.
    n_features : int, default=128
        Width of the rows.
    n_components : int, default=256
        Planted features.
    n_active : float, default=5
        Mean number of features that fire on a row.
    decay : float, default=0.99
        Ratio of firing probabilities from one feature to the next, in (0, 1]; 1 makes all
        equal.
    correlated : bool, default=False
        Whether features fire together: by a Gaussian copula with the correlations of a
        random symmetric matrix, which leaves each feature's probability as it is.
    noise : float, default=0.0
        Standard deviation of the noise in each dimension.
    random_state : int, RandomState instance or None, default=None
        Seed of everything.

    Returns
    -------
    Bunch
        X : ndarray of shape (n_samples, n_features), dtype float32
            Rows.
        components : ndarray of shape (n_components, n_features), dtype float32
            The planted unit directions.
        codes : csr_array of shape (n_samples, n_components), dtype float32
            The magnitudes.
        firing_probabilities : ndarray of shape (n_components,)
            The p_j.

    Raises
    ------
    ValueError
        If a number is out of range, or so many active features with such a decay would
        need a probability above 1.
    TypeError
        If a parameter is of the wrong kind.

    References
    ----------
    .. [1] Sharkey, Braun and Millidge (2022), "Taking features out of superposition with
       sparse autoencoders"; the generator is that of the code of Cunningham et al. (2023).

    Examples
    --------
    >>> from skdict.datasets import make_sparse_features
    >>> data = make_sparse_features(2000, n_active=3, random_state=0)
    >>> data.X.shape, data.components.shape
    ((2000, 128), (256, 128))
    >>> abs(data.codes.nnz / 2000 - 3) < 0.2
    True
    """
    for name, value in (
        ("n_samples", n_samples),
        ("n_features", n_features),
        ("n_components", n_components),
    ):
        check_number(name, value, low=1, integer=True)
    check_number("n_active", n_active, above=0)
    check_number("decay", decay, above=0, high=1)
    check_number("noise", noise, low=0)
    check_flag("correlated", correlated)
    probabilities = _firing_probabilities(n_components, n_active, decay)
    rng = check_random_state(random_state)
    rng = np.random.default_rng(rng.randint(np.iinfo(np.int32).max))
    components = rng.standard_normal((n_components, n_features)).astype(np.float32)
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    root = _correlation_root(n_components, rng) if correlated else None
    rows = max(1, BLOCK_VALUES // n_components)
    sizes = [min(rows, n_samples - start) for start in range(0, n_samples, rows)]
    codes = scipy.sparse.vstack([_draw_codes(n, probabilities, root, rng) for n in sizes])
    X = codes @ components
    if noise:
        X += noise * rng.standard_normal(X.shape, dtype=np.float32)
    return Bunch(X=X, components=components, codes=codes, firing_probabilities=probabilities)


def _firing_probabilities(n_components, n_active, decay):
    weights = decay ** np.arange(n_components, dtype=np.float64)
    probabilities = n_active * weights / weights.sum()
    if probabilities[0] > 1:
        raise ValueError(
            f"n_active={n_active} of n_components={n_components} with decay={decay} would need "
            f"a firing probability of {probabilities[0]:.2f}; lower n_active or raise decay, "
            f"n_components"
        )
    return probabilities


def _correlation_root(n_components, rng):
    """Return a matrix that turns white noise into unit normals with random correlations."""
    uniform = rng.random((n_components, n_components))
    symmetric = (uniform + uniform.T) / 2
    smallest = np.linalg.eigvalsh(symmetric)[0]
    if smallest < 0:
        symmetric -= 1.001 * smallest * np.eye(n_components)
    # Unit variances: without them the copula would not keep the firing probabilities.
    spread = np.sqrt(np.diag(symmetric))
    return np.linalg.cholesky(symmetric / np.outer(spread, spread))


def _draw_codes(n_rows, probabilities, root, rng):
    """Return the codes of some rows as CSR."""
    shape = n_rows, len(probabilities)
    uniform = rng.random(shape) if root is None else ndtr(rng.standard_normal(shape) @ root.T)
    codes = scipy.sparse.csr_array((uniform < probabilities).astype(np.float32))
    codes.data = 1 - rng.random(codes.nnz, dtype=np.float32)
    return codes
