"""On a GPU, fits reach what they reach on the CPU, and codes are the same."""

import numpy as np
import pytest
import torch
import torch.distributed as dist

from skdict import SparseDictionaryAutoencoder, SparseTranscoder, sparse_dictionary_path
from skdict._core._processes import Processes
from skdict.datasets import make_sparse_features

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]
ACTIVATIONS = ["relu", "topk", "batch_topk", "jumprelu"]
# Rounding makes fits diverge, so only their quality is compared.
TOLERANCES = {"float32": 0.02, "bfloat16": 0.05}


@pytest.fixture(scope="module")
def planted():
    return make_sparse_features(20_000, n_features=32, n_components=64, random_state=0)


def new_sae(activation, device, **options):
    target = {} if activation == "relu" else {"target_l0": 5}
    options = {"max_iter": 4, "random_state": 0} | target | options
    return SparseDictionaryAutoencoder(64, activation=activation, device=device, **options)


def quality(sae, X):
    """Return FVU and L0."""
    return [1 - sae.score(X), (sae.transform(X) != 0).sum() / len(X)]


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_fit_reaches_what_it_reaches_on_the_cpu(planted, activation, precision):
    on_cpu = new_sae(activation, "cpu").fit(planted.X)
    on_gpu = new_sae(activation, "cuda", precision=precision).fit(planted.X)
    reached = quality(on_gpu.set_params(device="cpu"), planted.X)
    assert reached == pytest.approx(quality(on_cpu, planted.X), rel=TOLERANCES[precision])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_codes_are_those_of_the_cpu(planted, activation):
    sae = new_sae(activation, "cpu", max_iter=1).fit(planted.X)
    on_cpu = sae.transform(planted.X[:1000]).toarray()
    sae.set_params(device="cuda")
    on_gpu = sae.transform(planted.X[:1000]).toarray()
    # Within rounding of a cutoff, an entry may be active on one device only.
    differ = ~np.isclose(on_gpu, on_cpu, rtol=1e-4, atol=1e-5)
    assert differ.mean() < 1e-4
    with torch.autocast("cuda", dtype=torch.bfloat16):
        rounded = sae.transform(planted.X[:1000]).toarray()
    np.testing.assert_array_equal(rounded, on_gpu)


@pytest.mark.parametrize("options", [{}, {"dead_features": "resample"}, {"matryoshka": [0.25]}])
@pytest.mark.parametrize("activation", ["relu", "batch_topk"])
def test_a_path_reaches_what_separate_fits_do(planted, activation, options):
    grid = {"alphas": [0.05, 0.2]} if activation == "relu" else {"target_l0s": [3, 6]}
    shared = {"activation": activation, "max_iter": 2, "random_state": 0, **options}
    path = sparse_dictionary_path(planted.X, n_components=64, device="cuda", **grid, **shared)
    ((name, values),) = grid.items()
    for sae, value in zip(path, values, strict=True):
        alone = SparseDictionaryAutoencoder(64, **{name[:-1]: value}, device="cpu", **shared)
        expected = quality(alone.fit(planted.X), planted.X)
        assert quality(sae, planted.X) == pytest.approx(expected, rel=0.02)


def test_a_transcoder_reaches_what_it_reaches_on_the_cpu(planted):
    X = planted.X
    Y = np.maximum(X @ np.random.default_rng(0).standard_normal((32, 24)), 0).astype(np.float32)
    options = {"skip_connection": True, "max_iter": 4, "random_state": 0}
    on_cpu, on_gpu = (
        SparseTranscoder(64, device=device, **options).fit(X, Y).score(X, Y)
        for device in ("cpu", "cuda")
    )
    assert 1 - on_gpu == pytest.approx(1 - on_cpu, rel=0.02)


def test_a_block_trained_on_the_cpu_continues_on_the_gpu(planted):
    sae = new_sae("batch_topk", "cpu").partial_fit(planted.X)
    before = quality(sae, planted.X)
    sae.set_params(device="cuda")
    for _ in range(3):
        sae.partial_fit(planted.X)
    assert quality(sae, planted.X)[0] < before[0]


@pytest.mark.parametrize("shard", ["rows", "components"])
def test_a_fit_in_a_group_of_one_process_is_that_without(planted, shard, tmp_path, monkeypatch):
    alone = new_sae("batch_topk", "cuda", max_iter=2).fit(planted.X)
    # A group of one would otherwise be replaced by none.
    monkeypatch.setattr("skdict.decomposition._sharding.open_group", Processes)
    place = f"file://{tmp_path}/group"
    dist.init_process_group("nccl", init_method=place, rank=0, world_size=1)
    try:
        shared = new_sae("batch_topk", "cuda", max_iter=2, shard=shard).fit(planted.X)
    finally:
        dist.destroy_process_group()
    np.testing.assert_allclose(shared.components_, alone.components_, rtol=1e-3, atol=1e-3)
