"""Dead features start anew where rows are rebuilt badly, and nothing else moves."""

import pytest
import torch

from skdict._core import resample_features
from skdict._core._adam import Adam
from skdict._core._parameters import Parameters


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def state(request):
    """Half of the features explain the first axes; rows also have a part along the last axis."""
    components = torch.eye(8)[[0, 1, 2, 3, 4, 5]]
    encoder = components if request.param else components.clone()
    bias = torch.tensor([0.0, 0.0, 0.0, -1e3, -1e3, -1e3])
    parameters = Parameters(components, encoder, bias)
    adam = Adam(parameters.tensors())
    for moment in (*adam.first, *adam.second):
        moment += 1
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(500, 8, generator=generator) * torch.tensor([1.0] * 3 + [0.0] * 5)
    rows[::10, 7] = 3
    return parameters, adam, rows


def resample(parameters, adam, rows):
    dead = torch.tensor([False] * 3 + [True] * 3)
    generator = torch.Generator().manual_seed(1)
    return resample_features(parameters, adam, dead, rows, 0.03, generator)


def test_new_directions_point_at_what_is_missing(state):
    parameters, adam, rows = state
    before = [tensor[:3].clone() for tensor in parameters.tensors()]
    assert resample(parameters, adam, rows) == 3
    assert (parameters.components[3:, 7] > 0.99).all()
    torch.testing.assert_close(parameters.components.norm(dim=1), torch.ones(6))
    assert torch.equal(parameters.encoder, parameters.components)
    for tensor, was in zip(parameters.tensors(), before, strict=True):
        assert torch.equal(tensor[:3], was)
    for moment in (*adam.first, *adam.second):
        assert (moment[:3] == 1).all()
        assert (moment[3:] == 0).all()


def test_new_features_fire_and_differ(state):
    parameters, adam, rows = state
    resample(parameters, adam, rows)
    fired = rows @ parameters.encoder.T + parameters.bias > 0
    assert (fired[:, 3:].float().mean(0) > 0.01).all()
    assert (parameters.components[3:] @ parameters.components[3:].T).fill_diagonal_(0).max() < 1


def test_nothing_dead_or_nothing_missing_is_left_alone(state):
    parameters, adam, rows = state
    generator = torch.Generator().manual_seed(1)
    none = torch.zeros(6, dtype=torch.bool)
    assert resample_features(parameters, adam, none, rows, 0.03, generator) == 0
    rows[:, 7] = 0
    assert resample(parameters, adam, rows) == 0
