"""Dead features start anew where rows are rebuilt badly, and nothing else moves."""

import pytest
import torch

from skdict._core import L1, Tensors
from skdict._core._adam import Adam
from skdict._core._model import Model
from skdict._core._nonlinearities import Relu
from skdict._core._objectives import whole
from skdict._core._resampling import resample_features


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def state(request):
    """Half of the features explain the first axes; rows also have a part along the last axis."""
    components = torch.eye(8)[[0, 1, 2, 3, 4, 5]]
    values = {"components": components}
    if not request.param:
        values["encoder"] = components.clone()
    values["bias"] = torch.tensor([0.0, 0.0, 0.0, -1e3, -1e3, -1e3])
    tensors = Tensors(values)
    adam = Adam(tensors)
    for moment in (*adam.first.values(), *adam.second.values()):
        moment += 1
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(500, 8, generator=generator) * torch.tensor([1.0] * 3 + [0.0] * 5)
    rows[::10, 7] = 3
    return tensors, adam, rows


def model(tensors):
    return Model(tensors, Relu(), L1(0.1), whole(len(tensors.bias)))


def resample(tensors, adam, rows):
    dead = torch.tensor([False] * 3 + [True] * 3)
    generator = torch.Generator().manual_seed(1)
    return resample_features(model(tensors), adam, dead, rows, 0.03, generator)


def test_new_directions_point_at_what_is_missing(state):
    tensors, adam, rows = state
    before = [tensor[:3].clone() for tensor in tensors.values()]
    assert resample(tensors, adam, rows) == 3
    assert (tensors.components[3:, 7] > 0.99).all()
    torch.testing.assert_close(tensors.components.norm(dim=1), torch.ones(6))
    assert torch.equal(tensors.encoder, tensors.components)
    for tensor, was in zip(tensors.values(), before, strict=True):
        assert torch.equal(tensor[:3], was)
    for moment in (*adam.first.values(), *adam.second.values()):
        assert (moment[:3] == 1).all()
        assert (moment[3:] == 0).all()


def test_new_features_fire_and_differ(state):
    tensors, adam, rows = state
    resample(tensors, adam, rows)
    fired = rows @ tensors.encoder.T + tensors.bias > 0
    assert (fired[:, 3:].float().mean(0) > 0.01).all()
    assert (tensors.components[3:] @ tensors.components[3:].T).fill_diagonal_(0).max() < 1


def test_nothing_dead_or_nothing_missing_is_left_alone(state):
    tensors, adam, rows = state
    generator = torch.Generator().manual_seed(1)
    none = torch.zeros(6, dtype=torch.bool)
    assert resample_features(model(tensors), adam, none, rows, 0.03, generator) == 0
    rows[:, 7] = 0
    assert resample(tensors, adam, rows) == 0
