"""Every published family is read as its own formula says, or refused."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skdict import SparseDictionaryAutoencoder
from skdict.decomposition import (
    PretrainedDictionary,
    PretrainedTranscoder,
    dictionary_atoms,
    is_transcoder,
    to_torch,
)
from skdict.io import load_dictionary, save_dictionary
from skdict.io.formats import FORMATS
from skdict.io.formats._detection import open_source
from tests.io.formats.layouts import CASES
from tests.io.formats.layouts._common import D, N, lengths

every = pytest.mark.parametrize("name", CASES)
# One case of every format, and the transcoders with a skip connection.
FIRST = {name.split()[0]: name for name in reversed(CASES)}.values()
FIRST = sorted({*FIRST, "saelens skip_transcoder", "sparsify skip", "gemma scope 2 affine"})
# A norm of the rows comes before the threshold is compared.
NORMED = {"openai topk", "llamascopium token-wise"}


@pytest.fixture
def rows():
    return np.random.default_rng(3).standard_normal((200, D)) * 1.5 + 0.5


def written(name, folder, dtype=np.float64):
    layout = CASES[name](folder / "sae", dtype)
    layout.save(layout.tensors)
    return layout


def reconstructed(dictionary, codes, rows):
    if is_transcoder(dictionary):
        return dictionary.predict(rows)
    return dictionary.inverse_transform(codes, rows)


@every
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 3e-5)])
def test_codes_and_reconstructions_follow_the_formula(name, dtype, atol, rows, tmp_path):
    layout = written(name, tmp_path, dtype)
    rows = rows.astype(dtype)
    dictionary = load_dictionary(layout.path)
    codes, expected = dictionary.transform(rows), layout.encode(rows.astype(np.float64))
    assert 0.05 < (expected != 0).mean() < 0.95
    assert codes.dtype == dictionary.components_.dtype == dtype
    # Codes are in units of the rows: those of the file times the lengths of its directions.
    np.testing.assert_allclose(codes.toarray(), expected * lengths(layout.decoder), atol=atol)
    rebuilt = layout.predict(rows.astype(np.float64))
    np.testing.assert_allclose(reconstructed(dictionary, codes, rows), rebuilt, atol=atol)
    np.testing.assert_allclose(np.linalg.norm(dictionary.components_, axis=1), 1, rtol=1e-5)


@every
def test_the_format_is_detected_given_and_kept(name, rows, tmp_path):
    layout = written(name, tmp_path)
    source = open_source(layout.path)
    assert next(n for n, f in FORMATS.items() if f.matches(source)) == layout.format
    dictionary = load_dictionary(layout.path)
    kind = PretrainedTranscoder if is_transcoder(dictionary) else PretrainedDictionary
    assert type(dictionary) is kind
    assert dictionary.metadata_["format"] == layout.format
    assert dictionary.metadata_["dtype"] == "float64"
    hook_point = "resid_pre.6" if layout.format == "e2e_sae" else "my.module"
    again = load_dictionary(layout.path, format=layout.format, hook_point=hook_point)
    assert again.metadata_ == dictionary.metadata_ | {"hook_point": hook_point}
    save_dictionary(dictionary, tmp_path / "ours")
    again = load_dictionary(tmp_path / "ours")
    assert type(again) is kind
    assert again.metadata_ == dictionary.metadata_
    codes = dictionary.transform(rows)
    np.testing.assert_array_equal(again.transform(rows).toarray(), codes.toarray())
    np.testing.assert_array_equal(
        reconstructed(again, codes, rows), reconstructed(dictionary, codes, rows)
    )


def matrices(tensors):
    """Return the names of the encoder and the decoder."""
    others = "skip", "bias", "activation_"
    return [n for n, a in tensors.items() if a.ndim > 1 and not any(o in n for o in others)]


@every
def test_matrices_in_each_others_place_or_transposed_are_refused(name, tmp_path):
    layout = written(name, tmp_path)
    encoder, decoder = (layout.tensors[name] for name in matrices(layout.tensors))
    wrong = [(encoder.T, decoder), (encoder, decoder.T), (encoder.T, decoder.T)]
    if encoder.shape != decoder.shape:
        wrong.append((decoder, encoder))
    for pair in wrong:
        layout.save(layout.tensors | dict(zip(matrices(layout.tensors), pair, strict=True)))
        with pytest.raises(ValueError, match="of shape"):
            load_dictionary(layout.path)


@every
def test_damaged_and_missing_tensors_are_refused(name, tmp_path):
    layout = written(name, tmp_path)
    for matrix in matrices(layout.tensors):
        others = {key: array for key, array in layout.tensors.items() if key != matrix}
        layout.save(others)
        with pytest.raises((ValueError, FileNotFoundError)):
            load_dictionary(layout.path)
        damaged = layout.tensors[matrix].copy()
        damaged[1, 2] = np.nan if matrix.lower().endswith("dec") else np.inf
        layout.save(others | {matrix: damaged})
        with pytest.raises(ValueError, match="NaN or infinity"):
            load_dictionary(layout.path)
        layout.save(others | {matrix: (100 * layout.tensors[matrix]).astype(np.int64)})
        with pytest.raises(ValueError, match="of dtype int64"):
            load_dictionary(layout.path)


@pytest.mark.parametrize("name", FIRST)
def test_half_precision_is_read_exactly(name, rows, tmp_path):
    layout = written(name, tmp_path, np.float16)
    dictionary = load_dictionary(layout.path)
    assert dictionary.components_.dtype == np.float32
    assert dictionary.metadata_.get("dtype", "float16") == "float16"
    rows = rows.astype(np.float32)
    rebuilt = reconstructed(dictionary, dictionary.transform(rows), rows)
    np.testing.assert_allclose(rebuilt, layout.predict(rows.astype(np.float64)), atol=3e-5)


@pytest.mark.parametrize("name", [name for name in FIRST if name not in NORMED])
def test_tensors_equal_arrays(name, rows, tmp_path):
    dictionary = load_dictionary(written(name, tmp_path).path)
    tensors = to_torch(dictionary, device="cpu", dtype="float64")
    x = rows
    codes = tensors.encode(torch.from_numpy(x))
    np.testing.assert_allclose(codes.numpy(), dictionary.transform(x).toarray(), atol=1e-10)
    if is_transcoder(dictionary):
        np.testing.assert_allclose(tensors.predict(torch.from_numpy(x)), dictionary.predict(x))
    else:
        np.testing.assert_allclose(dictionary_atoms(dictionary), dictionary.components_, atol=1e-9)


@pytest.mark.parametrize("name", sorted(NORMED))
def test_codes_alone_do_not_determine_rows_that_are_normalised(name, rows, tmp_path):
    dictionary = load_dictionary(written(name, tmp_path).path)
    codes = dictionary.transform(rows)
    for refused in (
        lambda: dictionary.inverse_transform(codes),
        lambda: dictionary_atoms(dictionary),
        lambda: to_torch(dictionary),
    ):
        with pytest.raises(
            ValueError, match="normalises each row .* inverse_transform.codes, rows"
        ):
            refused()
    with pytest.raises(ValueError, match="200 rows of codes but 3 rows"):
        dictionary.inverse_transform(codes, rows[:3])
    rebuilt = dictionary.inverse_transform(codes, rows)
    errors, spread = rows - rebuilt, rows - rows.mean(axis=0)
    assert dictionary.score(rows) == pytest.approx(1 - (errors**2).sum() / (spread**2).sum())
    with pytest.raises(ValueError, match="normalises each row"):
        SparseDictionaryAutoencoder(N, dict_init=dictionary, tied_weights=False).fit(rows)


def test_clones_are_the_dictionary_itself(rows, tmp_path):
    dictionary = load_dictionary(written("gemma scope", tmp_path).path)
    assert clone(dictionary) is dictionary
    assert dictionary.fit(rows) is dictionary
    with pytest.raises(ValueError, match=f"expecting {D} features"):
        dictionary.fit(rows[:, :4])
