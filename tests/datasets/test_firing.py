"""Features fire as often, and together or apart, as the returned truth says."""

import numpy as np
import pytest

from skdict.datasets import make_sparse_features

N_SAMPLES = 40_000
SHAPE = {"n_features": 2, "n_components": 60, "random_state": 0}
ZIPF = {"zipf_exponent": 1.2, "zipf_shift": 2.0, "n_active": 4}
FAMILIES = {"n_parents": 5, "children_per_parent": 3, "child_probability": 0.3}
GROUPS = {"n_groups": 4, "group_size": 3}
MODES = {
    "geometric": {"decay": 0.95, "n_active": 6},
    "zipf": ZIPF,
    "correlated": {"correlated": True},
    "families": FAMILIES,
    "siblings": {**FAMILIES, "exclusive_children": True},
    "groups": GROUPS,
    "all": {**ZIPF, **FAMILIES, **GROUPS, "correlated": True, "exclusive_children": True},
}


@pytest.fixture(scope="module", params=MODES, ids=MODES)
def planted(request):
    data = make_sparse_features(N_SAMPLES, **SHAPE, **MODES[request.param])
    return data, data.codes.toarray() > 0, MODES[request.param]


def test_features_fire_as_often_as_returned(planted):
    data, fired, mode = planted
    p = data.firing_probabilities
    error = np.sqrt(p * (1 - p) / N_SAMPLES)
    assert (np.abs(fired.mean(axis=0) - p) < 4 * error).all()
    assert p.sum() == pytest.approx(mode.get("n_active", 5))


def test_rows_have_the_mean_number_of_active_features(planted):
    _, fired, mode = planted
    active = fired.sum(axis=1)
    error = active.std() / np.sqrt(N_SAMPLES)
    assert abs(active.mean() - mode.get("n_active", 5)) < 4 * error


def test_children_fire_with_their_parents_only(planted):
    data, fired, mode = planted
    children = np.flatnonzero(data.parents >= 0)
    assert len(children) == mode.get("n_parents", 0) * mode.get("children_per_parent", 0)
    for child in children:
        parent = data.parents[child]
        assert parent < child
        assert not fired[~fired[:, parent], child].any()
        share, n = fired[fired[:, parent], child].mean(), fired[:, parent].sum()
        assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / n)


def test_at_most_one_member_of_a_group_fires(planted):
    data, fired, mode = planted
    n_groups = data.groups.max() + 1
    siblings = mode.get("exclusive_children", False)
    assert n_groups == mode.get("n_groups", 0) + siblings * mode.get("n_parents", 0)
    for group in range(n_groups):
        members = data.groups == group
        assert members.sum() == 3
        assert fired[:, members].sum(axis=1).max() == 1


@pytest.mark.parametrize("exclusive", [False, True])
def test_siblings_exclude_each_other_only_on_request(exclusive):
    data = make_sparse_features(N_SAMPLES, **SHAPE, **FAMILIES, exclusive_children=exclusive)
    first, second = np.flatnonzero(data.parents == 0)[:2]
    fired = data.codes.toarray() > 0
    both = fired[fired[:, 0]][:, [first, second]].all(axis=1).mean()
    assert both == pytest.approx(0 if exclusive else 0.09, abs=0.02)
    np.testing.assert_array_equal(data.groups[data.parents == 0], 0 if exclusive else -1)


def test_every_row_has_one_member_of_a_group_with_total_probability_one():
    data = make_sparse_features(
        1000, n_components=6, n_active=1, decay=0.5, n_groups=1, group_size=6, random_state=0
    )
    np.testing.assert_array_equal(np.diff(data.codes.indptr), 1)


def test_correlations_remain_among_features_without_parents():
    options = {"n_active": 15, "decay": 1.0, "n_parents": 5, "n_groups": 2}
    fired = [
        make_sparse_features(N_SAMPLES, **SHAPE, **options, correlated=flag).codes.toarray() > 0
        for flag in (False, True)
    ]
    roots = slice(9, 50)
    largest = [
        np.abs(np.corrcoef(rows[:, roots].T.astype(float)) - np.eye(41)).max() for rows in fired
    ]
    assert largest[0] < 5 / np.sqrt(N_SAMPLES)
    assert largest[1] > 10 / np.sqrt(N_SAMPLES)


@pytest.mark.parametrize(("exponent", "shift", "n_active"), [(1.0, 0.0, 3), (1.5, 4.0, 4)])
def test_zipf_frequencies_have_the_slope_of_their_exponent(exponent, shift, n_active):
    data = make_sparse_features(
        200_000,
        n_features=1,
        n_components=50,
        n_active=n_active,
        zipf_exponent=exponent,
        zipf_shift=shift,
        random_state=0,
    )
    counts = np.bincount(data.codes.indices, minlength=50)
    ranks = np.arange(1, 51) + shift
    # A count's logarithm has a standard deviation of about 1 / sqrt(count).
    (slope, _), covariance = np.polyfit(
        np.log(ranks), np.log(counts), 1, w=np.sqrt(counts), cov="unscaled"
    )
    assert abs(slope + exponent) < 4 * np.sqrt(covariance[0, 0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"zipf_exponent": 0}, ValueError, "zipf_exponent=0 .* > 0"),
        ({"zipf_exponent": 1, "zipf_shift": -1}, ValueError, "zipf_shift=-1 .* >= 0"),
        ({"zipf_exponent": 2}, ValueError, "firing probability of 3.05; .* lower zipf_exponent=2"),
        ({"n_parents": -1}, ValueError, "n_parents=-1"),
        ({"n_parents": 2.5}, TypeError, "n_parents=2.5 .* integer"),
        ({"n_parents": 1, "children_per_parent": 0}, ValueError, "children_per_parent=0"),
        ({"n_parents": 1, "child_probability": 1.1}, ValueError, "child_probability=1.1"),
        ({"n_parents": 1, "exclusive_children": 1}, TypeError, "True or False"),
        ({"n_parents": 90}, ValueError, "90 parents, 180 children and 0 members .* need 270"),
        ({"n_groups": 1, "group_size": 1}, ValueError, "group_size=1 .* >= 2"),
        ({"n_groups": 129}, ValueError, "n_components=256 is too small"),
        (
            {"n_groups": 1, "group_size": 30},
            ValueError,
            "30 features of exclusive group 0 .* sum to 1.41",
        ),
        (
            {"n_parents": 1, "children_per_parent": 5, "exclusive_children": True},
            ValueError,
            "children_per_parent=5 .* child_probability=0.25: the product must be at most 1",
        ),
    ],
)
def test_bad_parameters(options, error, message):
    with pytest.raises(error, match=message):
        make_sparse_features(**options)
