"""Draw which planted features fire on which rows: frequencies, hierarchies, exclusive groups."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.special import ndtr

from skdict._validation import check_flag, check_number

BLOCK_VALUES = 4_000_000
# Sums of probabilities may exceed 1 by rounding error.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Structure:
    """Parent and exclusive group of each feature, -1 if it has none.

    Children are the last features. On a row where its parent fires, each fires with probability
    `child_probability`.
    """

    parents: np.ndarray
    groups: np.ndarray
    child_probability: float

    @property
    def n_roots(self):
        """Number of features without a parent."""
        return int((self.parents < 0).sum())


@dataclass(frozen=True)
class FiringRule:
    """Feature j fires where ``low[j] <= u[source[j]] < high[j]`` and its parent, if any, fires.

    The values u are uniform in [0, 1), drawn for each row and feature.
    """

    structure: Structure
    source: np.ndarray
    low: np.ndarray
    high: np.ndarray


def firing_probabilities(structure, n_active, *, decay, zipf_exponent, zipf_shift):
    """Return the firing probability of each feature; they sum to `n_active`."""
    ranks = np.arange(structure.n_roots, dtype=np.float64)
    if zipf_exponent is None:
        check_number("decay", decay, above=0, high=1)
        weights, advice = decay**ranks, f"raise decay={decay}"
    else:
        check_number("zipf_exponent", zipf_exponent, above=0)
        check_number("zipf_shift", zipf_shift, low=0)
        weights = (ranks + 1 + zipf_shift) ** -float(zipf_exponent)
        advice = f"lower zipf_exponent={zipf_exponent} or raise zipf_shift={zipf_shift}"
    of_parents = weights[structure.parents[structure.n_roots :]]
    weights = np.concatenate([weights, structure.child_probability * of_parents])
    probabilities = n_active * weights / weights.sum()
    if probabilities[0] > 1:
        raise ValueError(
            f"n_active={n_active} of n_components={len(weights)} would need a firing probability "
            f"of {probabilities[0]:.2f}; lower n_active, raise n_components or {advice}"
        )
    return probabilities


def plan_structure(
    n_components,
    *,
    n_parents,
    children_per_parent,
    child_probability,
    exclusive_children,
    n_groups,
    group_size,
):
    """Return a `Structure` with parents first, then groups, and children last."""
    check_number("n_parents", n_parents, low=0, integer=True)
    check_number("children_per_parent", children_per_parent, low=1, integer=True)
    check_number("child_probability", child_probability, above=0, high=1)
    check_flag("exclusive_children", exclusive_children)
    check_number("n_groups", n_groups, low=0, integer=True)
    check_number("group_size", group_size, low=2, integer=True)
    n_children, n_members = n_parents * children_per_parent, n_groups * group_size
    if n_parents + n_children + n_members > n_components:
        raise ValueError(
            f"n_components={n_components} is too small: {n_parents} parents, {n_children} children "
            f"and {n_members} members of groups need {n_parents + n_children + n_members}; raise "
            f"n_components, or lower n_parents, children_per_parent, n_groups or group_size"
        )
    if exclusive_children and children_per_parent * child_probability > 1 + ROUNDING:
        raise ValueError(
            f"children_per_parent={children_per_parent} exclusive children cannot each fire with "
            f"child_probability={child_probability}: the product must be at most 1; lower either, "
            f"or pass exclusive_children=False"
        )
    parents, groups = np.full((2, n_components), -1)
    children = slice(n_components - n_children, n_components)
    parents[children] = np.repeat(np.arange(n_parents), children_per_parent)
    groups[n_parents : n_parents + n_members] = np.repeat(np.arange(n_groups), group_size)
    if exclusive_children:
        groups[children] = n_groups + parents[children]
    return Structure(parents, groups, child_probability)


def plan_firing(structure, probabilities):
    """Return a `FiringRule` that gives each feature its probability."""
    n_components, n_roots = len(probabilities), structure.n_roots
    source = np.arange(n_components)
    low, high = np.zeros(n_components), probabilities.copy()
    high[n_roots:] = structure.child_probability
    for group in range(structure.groups.max() + 1):
        members = np.flatnonzero(structure.groups == group)
        edges = np.concatenate([[0], np.cumsum(high[members])])
        if edges[-1] > 1 + ROUNDING:
            raise ValueError(
                f"the {len(members)} features of exclusive group {group} have firing probabilities "
                f"that sum to {edges[-1]:.2f}, but the sum can be at most 1; lower n_active or "
                f"group_size, or raise n_components"
            )
        source[members] = members[0]
        low[members], high[members] = edges[:-1], edges[1:]
    return FiringRule(structure, source, low, high)


def draw_codes(n_samples, rule, correlated, rng):
    """Return the codes of all rows as CSR, drawn block by block."""
    root = _correlation_root(rule.structure.n_roots, rng) if correlated else None
    rows = max(1, BLOCK_VALUES // len(rule.high))
    sizes = [min(rows, n_samples - start) for start in range(0, n_samples, rows)]
    return scipy.sparse.vstack([_draw_block(n, rule, root, rng) for n in sizes])


def _correlation_root(n_features, rng):
    """Return a matrix that maps white noise to unit normals with random correlations."""
    uniform = rng.random((n_features, n_features))
    symmetric = (uniform + uniform.T) / 2
    smallest = np.linalg.eigvalsh(symmetric)[0]
    if smallest < 0:
        symmetric -= 1.001 * smallest * np.eye(n_features)
    # Without unit variances the copula would change the firing probabilities.
    spread = np.sqrt(np.diag(symmetric))
    return np.linalg.cholesky(symmetric / np.outer(spread, spread))


def _draw_block(n_rows, rule, root, rng):
    """Return the codes of some rows as CSR."""
    uniform = _draw_uniform(n_rows, rule.structure, root, rng)
    fired = uniform < rule.high
    exclusive = np.flatnonzero(rule.structure.groups >= 0)
    shared = uniform[:, rule.source[exclusive]]
    fired[:, exclusive] = (rule.low[exclusive] <= shared) & (shared < rule.high[exclusive])
    n_roots = rule.structure.n_roots
    fired[:, n_roots:] &= fired[:, rule.structure.parents[n_roots:]]
    codes = scipy.sparse.csr_array(fired.astype(np.float32))
    codes.data = 1 - rng.random(codes.nnz, dtype=np.float32)
    return codes


def _draw_uniform(n_rows, structure, root, rng):
    """Return uniform draws; with a root, those of features without a parent are correlated."""
    n_components = len(structure.parents)
    if root is None:
        return rng.random((n_rows, n_components))
    correlated = ndtr(rng.standard_normal((n_rows, len(root))) @ root.T)
    # Children are drawn independently; otherwise their firing probability would differ between
    # the rows of their parent.
    return np.hstack([correlated, rng.random((n_rows, n_components - len(root)))])
