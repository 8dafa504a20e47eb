"""Synthetic rows with known sparse features."""

import numpy as np
from sklearn.utils import Bunch

from skdict._validation import check_flag, check_number, check_random_state
from skdict.datasets._firing import draw_codes, firing_probabilities, plan_firing, plan_structure
from skdict.datasets._planted_outliers import add_outliers, check_outliers

# Options that have no effect while the option in the key is zero.
DETAILS = {
    "n_parents": ["children_per_parent", "child_probability", "exclusive_children"],
    "n_groups": ["group_size"],
    "n_outlier_rows": ["outlier_scale"],
    "n_outlier_dimensions": ["outlier_dimension_share"],
}


def make_sparse_features(
    n_samples=10_000,
    *,
    n_features=128,
    n_components=256,
    n_active=5,
    decay=0.99,
    zipf_exponent=None,
    zipf_shift=0.0,
    correlated=False,
    n_parents=0,
    children_per_parent=2,
    child_probability=0.25,
    exclusive_children=False,
    n_groups=0,
    group_size=2,
    noise=0.0,
    n_outlier_rows=0,
    outlier_scale=100.0,
    n_outlier_dimensions=0,
    outlier_dimension_share=0.5,
    random_state=None,
):
    r"""Make rows that are sparse sums of planted unit directions.

    .. math:: x = \sum_j a_j g_j + \sigma \epsilon, \qquad
        P(a_j > 0) = p_j \propto \mathrm{decay}^j, \qquad \sum_j p_j = \mathrm{n\_active}

    Directions :math:`g_j` are uniform on the unit sphere, codes :math:`a_j` are uniform in
    (0, 1] where a feature fires, and the noise is standard normal. Options replace the geometric
    frequencies by Zipf's law, make features depend on each other, and add outlier rows and
    outlier dimensions like those of real activations. The ground truth for all of these is
    returned.

    Parameters
    ----------
    n_samples : int, default=10_000
        Number of rows.
    n_features : int, default=128
        Number of dimensions of the rows.
    n_components : int, default=256
        Number of planted features, including parents, children and members of groups.
    n_active : float, default=5
        Mean number of features that fire on a row.
    decay : float, default=0.99
        Ratio of the firing probabilities of successive features, in (0, 1]; 1 makes them equal.
    zipf_exponent : float, optional
        Exponent s > 0 of Zipf's law, :math:`p_j \propto (j + 1 + \mathrm{shift})^{-s}` for
        j = 0, 1, ..., which replaces the geometric `decay`.
    zipf_shift : float, default=0.0
        Shift of the rank in Zipf's law, at least 0. It flattens the head of the distribution, so
        that more features can be active. Only used with `zipf_exponent`.
    correlated : bool, default=False
        If True, correlate the features with a Gaussian copula, which preserves the firing
        probability of each.
    n_parents : int, default=0
        Number of parents, which are the first features.
    children_per_parent : int, default=2
        Number of children of each parent. The children are the last features, in the order of
        their parents. Only used with `n_parents`.
    child_probability : float, default=0.25
        Probability that a child fires on a row where its parent fires, in (0, 1]; it never fires
        elsewhere. Only used with `n_parents`.
    exclusive_children : bool, default=False
        If True, at most one child of a parent fires on a row. Requires `children_per_parent`
        times `child_probability` to be at most 1. Only used with `n_parents`.
    n_groups : int, default=0
        Number of mutually exclusive groups: at most one member of a group fires on a row. Groups
        are consecutive runs of `group_size` features after the parents.
    group_size : int, default=2
        Number of members of each group. Only used with `n_groups`.
    noise : float, default=0.0
        Standard deviation of the noise in each dimension.
    n_outlier_rows : int, default=0
        Number of outlier rows, at most half of `n_samples`.
    outlier_scale : float, default=100.0
        Norm of the outlier rows, as a multiple of the median norm of all other rows. Only used
        with `n_outlier_rows`.
    n_outlier_dimensions : int, default=0
        Number of outlier dimensions, less than `n_features`.
    outlier_dimension_share : float, default=0.5
        Share of the total variance that the outlier dimensions hold together, in (0, 1),
        measured without the outlier rows. Only used with `n_outlier_dimensions`.
    random_state : int, RandomState instance or None, default=None
        Seed for all sampling. Pass an int for reproducible data across calls.

    Returns
    -------
    Bunch
        X : ndarray of shape (n_samples, n_features), dtype float32
            Rows.
        components : ndarray of shape (n_components, n_features), dtype float32
            Planted unit directions.
        codes : csr_array of shape (n_samples, n_components), dtype float32
            Codes of the planted features.
        firing_probabilities : ndarray of shape (n_components,), dtype float64
            Expected share of rows on which each feature fires.
        parents : ndarray of shape (n_components,), dtype int64
            Parent of each feature, -1 if it has none.
        groups : ndarray of shape (n_components,), dtype int64
            Exclusive group of each feature, -1 if it has none. With `exclusive_children`, the
            children of a parent also form a group.
        outlier_rows : ndarray of shape (n_outlier_rows,), dtype int64
            Indices of the outlier rows, sorted.
        outlier_row_values : ndarray of shape (n_outlier_rows, n_features), dtype float32
            Values added to the outlier rows.
        outlier_dimensions : ndarray of shape (n_outlier_dimensions,), dtype int64
            Indices of the outlier dimensions, sorted.
        outlier_dimension_values : ndarray of shape (n_samples, n_outlier_dimensions)
            Values added to the outlier dimensions, in float32.

    Raises
    ------
    ValueError
        If a number is out of range, an option has no effect with the others, `n_components` is
        too small for the parents, children and groups, a firing probability or its sum over
        an exclusive group would exceed 1, or rows or dimensions exceed the requested norm or
        share before anything is added.
    TypeError
        If a parameter has the wrong type.

    Notes
    -----
    The generator follows [1]_ and the published code of [2]_, with three differences.
    Probabilities are normalised after the decay; in the original, a nominal 5 active features
    out of 512 become 0.97 on average. With `correlated`, each row has its own correlated draw,
    whereas the original uses one draw for a whole batch. Rows without any active feature remain
    empty, whereas the original activates one feature.

    *Frequencies.* Features without a parent have weights :math:`\mathrm{decay}^j` or
    :math:`(j + 1 + \mathrm{shift})^{-s}` for j = 0, 1, ..., a child has `child_probability`
    times the weight of its parent, and probabilities are the weights scaled to sum to
    `n_active`.

    *Firing.* For each row and feature, :math:`u_j` is uniform in [0, 1), and the feature fires
    where :math:`u_j < p_j`. The members of an exclusive group share the :math:`u` of their first
    member, and each fires where it falls into its own interval; the intervals have lengths
    :math:`p_j` and follow one another from 0. A child fires where its parent fires and
    :math:`u_j` is below `child_probability`; exclusive children share a draw in the same way.
    The values of the codes are independent of each other.

    *Correlation.* The draws of features without a parent are standard normal deviates with the
    correlations of a random matrix, mapped to [0, 1) by the normal distribution function. The
    matrix is uniform in [0, 1), symmetrised, raised on its diagonal until it is positive
    definite, and scaled to unit variances. Children are drawn independently.

    *Outlier dimensions* are drawn without replacement. Independent normal values are added to
    them, scaled by the one factor for which these dimensions hold exactly the given share of
    the variance (noise included) of the rows that are not outlier rows.

    *Outlier rows* are drawn without replacement. Each is moved along one random unit direction,
    the same for all of them (as for such tokens in language models), until its norm is exactly
    `outlier_scale` times the median norm of the other rows. Outlier dimensions are added
    first and count towards these norms.

    X is ``codes @ components`` plus the noise, then ``outlier_dimension_values`` added to the
    columns ``outlier_dimensions``, then ``outlier_row_values`` added to the rows
    ``outlier_rows``. Outliers are drawn last, so the same seed gives the same codes, components
    and noise with and without them.

    References
    ----------
    .. [1] Sharkey, Braun and Millidge (2022), "Taking features out of superposition with
       sparse autoencoders".
    .. [2] Cunningham et al. (2023), "Sparse autoencoders find highly interpretable features in
       language models".

    Examples
    --------
    >>> from skdict.datasets import make_sparse_features
    >>> data = make_sparse_features(2000, n_active=3, random_state=0)
    >>> data.X.shape, data.components.shape
    ((2000, 128), (256, 128))
    >>> abs(data.codes.nnz / 2000 - 3) < 0.2
    True

    Children fire only with their parents:

    >>> data = make_sparse_features(2000, n_parents=10, children_per_parent=3, random_state=0)
    >>> fired = data.codes.toarray() > 0
    >>> children = data.parents >= 0
    >>> bool((fired[:, children] <= fired[:, data.parents[children]]).all())
    True
    """
    _check_sizes(n_samples, n_features, n_components)
    check_number("n_active", n_active, above=0)
    check_flag("correlated", correlated)
    check_number("noise", noise, low=0)
    frequencies = {"decay": decay, "zipf_exponent": zipf_exponent, "zipf_shift": zipf_shift}
    groups = {
        "n_parents": n_parents,
        "children_per_parent": children_per_parent,
        "child_probability": child_probability,
        "exclusive_children": exclusive_children,
        "n_groups": n_groups,
        "group_size": group_size,
    }
    outliers = {
        "n_outlier_rows": n_outlier_rows,
        "outlier_scale": outlier_scale,
        "n_outlier_dimensions": n_outlier_dimensions,
        "outlier_dimension_share": outlier_dimension_share,
    }
    structure = plan_structure(n_components, **groups)
    probabilities = firing_probabilities(structure, n_active, **frequencies)
    rule, shape = plan_firing(structure, probabilities), (n_samples, n_features)
    check_outliers(shape, **outliers)
    _refuse_unused(frequencies | groups | outliers)
    drawn = _draw(shape, rule, correlated, noise, outliers, random_state)
    planted = {"parents": structure.parents, "groups": structure.groups}
    return Bunch(**drawn, firing_probabilities=probabilities, **planted)


def _draw(shape, rule, correlated, noise, outliers, random_state):
    """Return rows, their components and codes, and the outliers that were added."""
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    rng = np.random.default_rng(seed)
    components = rng.standard_normal((len(rule.high), shape[1])).astype(np.float32)
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    codes = draw_codes(shape[0], rule, correlated, rng)
    X = codes @ components
    if noise:
        X += noise * rng.standard_normal(X.shape, dtype=np.float32)
    added = add_outliers(X, **outliers, rng=rng)
    return {"X": X, "components": components, "codes": codes, **added}


def _check_sizes(n_samples, n_features, n_components):
    for name, value in (
        ("n_samples", n_samples),
        ("n_features", n_features),
        ("n_components", n_components),
    ):
        check_number(name, value, low=1, integer=True)


def _refuse_unused(options):
    """Raise ValueError for a non-default option that has no effect because of another one."""
    unused = {"zipf_exponent": ["zipf_shift" if options["zipf_exponent"] is None else "decay"]}
    unused |= {name: details for name, details in DETAILS.items() if not options[name]}
    for setting, details in unused.items():
        for name in details:
            if options[name] != make_sparse_features.__kwdefaults__[name]:
                raise ValueError(
                    f"{name}={options[name]!r} has no effect with {setting}={options[setting]}: "
                    f"leave {name} out, or change {setting}"
                )
