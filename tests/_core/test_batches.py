"""Shuffled batches give every row once, from anything that slices."""

import threading

import numpy as np
import pytest
import torch

from skdict import Activations
from skdict._core import (
    _batches,
    iter_blocks,
    sample_rows,
    shared_batches,
    shuffled_batches,
)
from skdict._core._group import Group


def rows_of(n, d=3):
    return np.arange(n * d, dtype=np.float32).reshape(n, d)


def draw(rows, batch_size, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    settings = {"dtype": torch.float32, "device": torch.device("cpu")} | options
    return [
        batch for (batch,) in shuffled_batches([rows], batch_size, generator=generator, **settings)
    ]


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 5000])
@pytest.mark.parametrize("block_bytes", [64, 20_000, 64 * 2**20])
def test_every_row_once(n, block_bytes, monkeypatch):
    monkeypatch.setattr(_batches, "BLOCK_BYTES", block_bytes)
    batches = draw(rows_of(n), 100)
    gathered = torch.cat(batches).numpy()
    np.testing.assert_array_equal(gathered[np.argsort(gathered[:, 0])], rows_of(n))
    assert max(map(len, batches)) <= 100


@pytest.mark.parametrize("n_rows", [1, 255, 256, 300, 700, 768, 999, 1000, 1024])
@pytest.mark.parametrize("n", [1, 300, 768, 1000, 5000])
def test_samples_have_as_many_rows_as_asked_for(n, n_rows):
    rows = rows_of(n)
    sample = sample_rows(rows, n_rows)
    assert sample.shape == (min(n, n_rows), 3)
    # Rows of the data, each once, in their order.
    drawn = sample[:, 0].astype(int) // 3
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(sample, rows[drawn])
    np.testing.assert_array_equal(sample_rows(rows, n_rows), sample)


def test_samples_follow_the_seed():
    assert (sample_rows(rows_of(5000), 512, seed=1) != sample_rows(rows_of(5000), 512)).any()


def test_no_batch_of_leftovers():
    assert [len(b) for b in draw(rows_of(1025), 1024)] == [513, 512]


def test_order_is_shuffled_and_follows_the_generator():
    first, again, other = (torch.cat(draw(rows_of(3000), 64, seed=s)).numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert abs(np.corrcoef(first[:, 0], np.arange(3000))[0, 1]) < 0.1


def test_blocks_are_prepared_once():
    calls = []

    def prepare(blocks):
        calls.append(len(blocks[0]))
        return [block * 2 for block in blocks]

    gathered = torch.cat(draw(rows_of(500), 50, prepare=prepare))
    assert calls == [500]
    assert gathered.sum().item() == 2 * rows_of(500).sum()


@pytest.mark.parametrize("block_bytes", [3000, 64 * 2**20])
def test_sources_are_read_in_step(block_bytes, monkeypatch):
    monkeypatch.setattr(_batches, "BLOCK_BYTES", block_bytes)
    options = {"dtype": torch.float32, "device": torch.device("cpu")}
    sources = [rows_of(700, 3), 5 * rows_of(700, 3)[:, :2].astype(np.float64)]
    generator = torch.Generator().manual_seed(0)
    batches = list(shuffled_batches(sources, 64, generator=generator, **options))
    for left, right in batches:
        torch.testing.assert_close(right, 5 * left[:, :2])
    seen = torch.cat([left for left, _ in batches])
    np.testing.assert_array_equal(np.sort(seen[:, 0].numpy()), rows_of(700)[:, 0])


@pytest.mark.parametrize("block_bytes", [3000, 64 * 2**20])
@pytest.mark.parametrize("size", [1, 3])
def test_processes_read_their_parts_of_the_same_batches(block_bytes, size, monkeypatch):
    monkeypatch.setattr(_batches, "BLOCK_BYTES", block_bytes)
    sources = [rows_of(700, 3), rows_of(700, 3)[:, :2].astype(np.float16)]
    options = {"dtype": torch.float32, "device": torch.device("cpu")}
    options["prepare"] = lambda blocks: [2 * block for block in blocks]
    generators = [torch.Generator().manual_seed(0) for _ in range(size + 1)]
    whole = shuffled_batches(sources, 64, generator=generators[size], **options)
    parts = [
        shared_batches(sources, 64, group=Group("rows", size, rank), generator=g, **options)
        for rank, g in enumerate(generators[:size])
    ]
    n_batches = 0
    for expected, *mine in zip(whole, *parts, strict=True):
        assert {n_rows for n_rows, _ in mine} == {len(expected[0])}
        for side, due in enumerate(expected):
            assert torch.equal(torch.cat([sides[side] for _, sides in mine]), due)
        states = [generator.get_state() for generator in generators]
        assert all(torch.equal(state, states[-1]) for state in states)
        n_batches += 1
    assert n_batches >= 11


class Watched:
    """Rows that remember which thread read them."""

    def __init__(self, rows):
        self.shape, self._rows, self.readers = rows.shape, rows, []

    def __getitem__(self, chosen):
        self.readers.append(threading.current_thread())
        return self._rows[chosen]


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 8])
def test_threads_read_ahead_only_where_there_are_several_blocks(n_blocks, monkeypatch):
    monkeypatch.setattr(_batches, "BLOCK_BYTES", 256 * 3 * 4)
    rows = Watched(rows_of(256 * n_blocks))
    gathered = torch.cat(draw(rows, 100)).numpy()
    np.testing.assert_array_equal(gathered[np.argsort(gathered[:, 0])], rows_of(256 * n_blocks))
    assert len(rows.readers) == n_blocks
    assert (threading.current_thread() in rows.readers) == (n_blocks == 1)


def test_the_next_block_is_read_while_one_is_in_use():
    second_read = threading.Event()

    def read(item):
        if item == 1:
            second_read.set()
        return -item

    found = _batches.read_ahead(read, [0, 1, 2])
    assert next(found) == (0, 0)
    assert second_read.wait(10)
    assert list(found) == [(1, -1), (2, -2)]


def test_memory_maps_half_precision_and_activations(tmp_path):
    rows = rows_of(700).astype(np.float16) / 100
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    acts = Activations(
        mapped,
        documents=np.arange(700) // 10,
        positions=np.arange(700) % 10,
        token_ids=np.zeros(700, int),
    )
    expected = np.sort(rows[:, 0].astype(np.float32))
    for source in (mapped, acts, acts[:]):
        gathered = torch.cat(draw(source, 64))
        assert gathered.dtype == torch.float32
        np.testing.assert_array_equal(np.sort(gathered[:, 0].numpy()), expected)


def test_blocks_in_order_cover_all_rows():
    blocks = list(iter_blocks(rows_of(1000), block_bytes=8 * 3 * 300))
    assert [start for start, _ in blocks] == [0, 300, 600, 900]
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), rows_of(1000))
