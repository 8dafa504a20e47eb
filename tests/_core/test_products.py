"""Dense products are float32 ones, whichever library multiplies."""

import threading

import pytest
import torch

from skdict._core import _products
from skdict._core._products import float32_library, multiplier

CPU = torch.device("cpu")


@pytest.fixture
def matrices():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 300, generator=generator), torch.randn(300, 50, generator=generator)


def test_exact_to_float32(matrices):
    left, right = matrices
    out = torch.empty(40, 50)
    exact = left.double() @ right.double()
    multiplier(torch.float32, torch.float32, CPU)(left, right, out)
    assert (out - exact).abs().max() < 1e-4
    multiplier(torch.float32, torch.bfloat16, CPU)(left, right, out)
    assert 1e-3 < (out - exact).abs().max() < 1


def test_the_choice_of_library_leaves_torch_as_it_was(matrices):
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no such setting")
    before = torch.backends.mkldnn.matmul.fp32_precision
    left, right = matrices
    _products._onednn(left, right, torch.empty(40, 50))
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_products_that_overlap_in_threads_leave_torch_as_it_was():
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no such setting")
    before = torch.backends.mkldnn.matmul.fp32_precision
    inside, left = threading.Event(), threading.Event()

    def overlap():
        with _products._onednn_for_float32:
            inside.set()
            left.wait(60)

    thread = threading.Thread(target=overlap)
    with _products._onednn_for_float32:
        thread.start()
        assert inside.wait(60)
    left.set()
    thread.join()
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_a_library_that_is_not_exact_is_refused(monkeypatch):
    def rounded(left, right, out):
        return out.copy_(left.bfloat16() @ right.bfloat16())

    monkeypatch.setattr(_products, "_processor_vendor", lambda: "AuthenticAMD")
    monkeypatch.setattr(_products, "_onednn", rounded)
    float32_library.cache_clear()
    assert float32_library() == "default"
    float32_library.cache_clear()


def test_the_library_follows_from_the_processor(monkeypatch):
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no such setting")
    monkeypatch.setattr(_products, "_onednn", lambda left, right, out: left @ right)
    for vendor, library in (("AuthenticAMD", "onednn"), ("GenuineIntel", "default")):
        monkeypatch.setattr(_products, "_processor_vendor", lambda vendor=vendor: vendor)
        float32_library.cache_clear()
        assert float32_library() == library
    float32_library.cache_clear()
