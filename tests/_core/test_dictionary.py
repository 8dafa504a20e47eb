"""Frozen tensors encode and decode as the formulas say."""

import numpy as np
import torch

from skdict._core import AffineDictionary


def test_encode_and_decode():
    arrays = {
        "components": np.array([[1.0, 0.0], [0.0, 2.0]]),
        "encoder": np.array([[1.0, 1.0], [0.0, -1.0]]),
        "encoder_bias": np.array([-1.0, 0.0]),
        "center": np.array([1.0, 0.0]),
        "offset": np.array([5.0, 5.0]),
    }
    dictionary = AffineDictionary.from_arrays(dtype=torch.float64, device="cpu", **arrays)
    x = torch.tensor([[3.0, 2.0], [0.0, -3.0]], dtype=torch.float64)
    codes = dictionary.encode(x)
    assert codes.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert dictionary.decode(codes).tolist() == [[8.0, 5.0], [5.0, 11.0]]
    moved = dictionary.to(torch.float32)
    assert moved.encode(x.float()).dtype == torch.float32
