"""Every format has the same names, and loading finds the one that a folder is in."""

import numpy as np
import pytest

from skdict import SparseDictionaryAutoencoder, SparseTranscoder
from skdict.io import load_dictionary, save_dictionary
from skdict.io.formats import FORMATS
from skdict.io.formats._detection import open_source, readable, written

PAIR = {"hook_point": "mlp_in.0", "target_hook_point": "mlp_out.0"}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((100, 6))


@pytest.fixture(scope="module")
def sae(rows):
    return SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(rows)


@pytest.mark.parametrize("name", written())
def test_a_folder_matches_the_format_it_was_written_in_and_no_other(sae, name, rows, tmp_path):
    if name == "circuit_tracer":
        sae = SparseTranscoder(8, max_iter=1, random_state=0).fit(rows, rows)
    save_dictionary(sae, tmp_path / "sae", format=name, metadata=PAIR)
    source = open_source(tmp_path / "sae")
    assert [other for other, f in FORMATS.items() if f.matches(source)] == [name]
    assert (tmp_path / "sae" / FORMATS[name].MARKER).is_file()
    loaded = load_dictionary(tmp_path / "sae")
    np.testing.assert_array_equal(loaded.components_, sae.components_)


def test_a_folder_in_no_format_is_told_every_marker(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_dictionary(tmp_path)
    assert all(FORMATS[name].FILES in str(error.value) for name in readable())


def test_one_more_format_is_one_more_line(sae, tmp_path, monkeypatch):
    class Weights:
        FILES = MARKER = "components.npy"

        @staticmethod
        def matches(source):
            return "components.npy" in source

        @staticmethod
        def read(source):
            return np.load(source.path("components.npy"))

        @staticmethod
        def write(dictionary, folder, metadata):
            np.save(folder / "components.npy", dictionary.components_)

    monkeypatch.setitem(FORMATS, "npy", Weights)
    save_dictionary(sae, tmp_path, format="npy")
    np.testing.assert_array_equal(load_dictionary(tmp_path), sae.components_)
