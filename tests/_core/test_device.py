"""Devices are resolved or refused with advice."""

import pytest
import torch

from skdict._core import resolve_device


def test_cpu_and_auto():
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("device", ["gpu", "tpu:0", 3.5, "meta", ""])
def test_unknown_devices(device):
    with pytest.raises(ValueError, match=r"device=.*'auto', 'cpu'"):
        resolve_device(device)


def test_absent_device():
    with pytest.raises(ValueError, match="not present on this machine; pass device='auto'"):
        resolve_device("cuda:99")
