"""A fit that was interrupted ends with the bits of one that was not."""

import json
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from skdict import (
    Activations,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
)
from skdict.io import _resumable_fit, fit_resumable, load_dictionary
from tests.signed_topk import SignedTopK


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((700, 6)).astype(np.float32) + 2


def new(**options):
    options = {"max_iter": 4, "batch_size": 64, "random_state": 0, "device": "cpu"} | options
    return SparseDictionaryAutoencoder(10, **options)


def fit_interrupted(estimator, X, folder, *, after, monkeypatch, **options):
    """Fit until the checkpoint of the so many-th epoch is written."""
    plain, calls = _resumable_fit.replace_file, []

    def replace_file(path, content):
        plain(path, content)
        calls.append(path)
        if len(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_resumable_fit, "replace_file", replace_file)
        with pytest.raises(KeyboardInterrupt):
            fit_resumable(estimator, X, folder, **options)


@pytest.fixture
def interrupted(rows, tmp_path, monkeypatch):
    """The checkpoint of a fit that was interrupted after its second epoch."""
    fit_interrupted(new(), rows, tmp_path / "sae", after=2, monkeypatch=monkeypatch)
    return tmp_path / "sae.checkpoint.safetensors"


def assert_same_fit(one, other):
    for name, value in vars(one).items():
        if name.endswith("_") or name == "_error_unit":
            np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied_weights": False, "alpha": 0.4},
        {"precision": "bfloat16"},
        {"tol": 0.5, "max_iter": 6},
        {"center": False, "rescale": False, "bias_init": "zeros", "alpha": 0.01},
        {"activation": "topk", "target_l0": 3},
        {"activation": "batch_topk", "target_l0": 2.5},
        {"activation": SignedTopK(3)},
        {"activation": "topk", "target_l0": 3, "matryoshka": (2, 5)},
    ],
)
@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.usefixtures("short_epochs")
def test_the_bits_of_an_undisturbed_fit(rows, tmp_path, monkeypatch, options, after):
    whole = new(**options).fit(rows)
    after = min(after, whole.n_iter_)
    fit_interrupted(new(**options), rows, tmp_path / "sae", after=after, monkeypatch=monkeypatch)
    resumed = fit_resumable(new(**options), rows, tmp_path / "sae", metadata={"model": "m"})
    assert_same_fit(whole, resumed)
    loaded = load_dictionary(tmp_path / "sae")
    assert_same_fit(whole, loaded)
    assert loaded.metadata_ == {"model": "m"}
    assert [path.name for path in tmp_path.iterdir()] == ["sae"]


@pytest.mark.usefixtures("short_epochs")
def test_float64_rows_and_interruptions_in_every_epoch(rows, tmp_path, monkeypatch):
    rows = rows.astype(np.float64)
    for _ in range(4):
        fit_interrupted(new(), rows, tmp_path / "sae", after=1, monkeypatch=monkeypatch)
    assert_same_fit(new().fit(rows), fit_resumable(new(), rows, tmp_path / "sae"))


@pytest.mark.parametrize("kind", ["relu", "topk", "batch_topk", "jumprelu"])
@pytest.mark.usefixtures("short_epochs")
def test_a_transcoder_resumes_to_the_same_bits(kind, rows, tmp_path, monkeypatch):
    def transcoder():
        options = {"activation": kind, "target_l0": 3, "skip_connection": kind != "relu"}
        shared = {"max_iter": 4, "batch_size": 64, "random_state": 0, "device": "cpu"}
        return SparseTranscoder(10, **options, **shared)

    y, options = np.abs(rows[:, :4]), {"after": 2, "monkeypatch": monkeypatch}
    fit_interrupted(transcoder(), rows, tmp_path / "tc", y=y, **options)
    with pytest.raises(ValueError, match="belongs to another fit: targets is '700 x 4 float32"):
        fit_resumable(transcoder(), rows, tmp_path / "tc", y=y[:, :3])
    resumed = fit_resumable(transcoder(), rows, tmp_path / "tc", y=y)
    assert_same_fit(transcoder().fit(rows, y), resumed)
    assert_same_fit(resumed, load_dictionary(tmp_path / "tc"))
    assert [path.name for path in tmp_path.iterdir()] == ["tc"]


def test_targets_are_for_transcoders_only(rows, tmp_path):
    with pytest.raises(ValueError, match="y is given, but an autoencoder has no targets"):
        fit_resumable(new(), rows, tmp_path / "sae", y=rows)
    with pytest.raises(ValueError, match="requires y to be passed"):
        fit_resumable(SparseTranscoder(10), rows, tmp_path / "tc")
    assert list(tmp_path.iterdir()) == []


def test_a_warm_start_goes_on_from_the_same_dictionary(rows, tmp_path, monkeypatch):
    def started():
        return new(max_iter=1).fit(rows[:300]).set_params(max_iter=3, warm_start=True)

    fit_interrupted(started(), rows, tmp_path / "sae", after=2, monkeypatch=monkeypatch)
    with pytest.raises(ValueError, match="dictionary to start from is 'SHA"):
        fit_resumable(new(max_iter=3, warm_start=True), rows, tmp_path / "sae")
    assert_same_fit(started().fit(rows), fit_resumable(started(), rows, tmp_path / "sae"))


def test_an_undisturbed_fit_leaves_the_dictionary_alone(rows, tmp_path):
    assert_same_fit(new().fit(rows), fit_resumable(new(), rows, tmp_path / "sae"))
    assert [path.name for path in tmp_path.iterdir()] == ["sae"]


def test_the_same_rows_in_another_container_go_on(rows, tmp_path, interrupted):
    n = len(rows)
    acts = Activations(rows, documents=range(n), positions=[0] * n, token_ids=[0] * n)
    assert_same_fit(new().fit(rows), fit_resumable(new(), acts, tmp_path / "sae"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.2}, "alpha is 'auto' there and 0.2 now"),
        ({"max_iter": 9, "alpha": 0.2}, "alpha is .*, max_iter is 4 there and 9 now"),
        ({"random_state": None}, "random_state is 0 there and None now"),
        ({"tied_weights": False}, "tied_weights is 'auto' there"),
        ({"matryoshka": [0.2, 0.5]}, r"matryoshka is None there and \[0.2, 0.5\] now"),
    ],
)
def test_other_parameters_are_refused(rows, tmp_path, interrupted, change, message):
    with pytest.raises(ValueError, match=message):
        fit_resumable(new(**change), rows, tmp_path / "sae")
    assert interrupted.is_file()


def directions(seed):
    return np.random.default_rng(seed).standard_normal((10, 6))


STARTS = {
    "none": lambda rows: None,
    "directions": lambda rows: directions(0),
    "other directions": lambda rows: directions(1),
    "dictionary": lambda rows: new(max_iter=1).fit(rows),
    "other dictionary": lambda rows: new(max_iter=1, random_state=1).fit(rows),
}


@pytest.mark.parametrize(
    ("there", "now"),
    [
        ("none", "directions"),
        ("directions", "none"),
        ("directions", "other directions"),
        ("dictionary", "other dictionary"),
        ("dictionary", "directions"),
    ],
)
def test_another_start_is_refused(rows, tmp_path, monkeypatch, there, now):
    one, other = (STARTS[name](rows) for name in (there, now))
    folder = tmp_path / "sae"
    fit_interrupted(new(dict_init=one), rows, folder, after=1, monkeypatch=monkeypatch)
    with pytest.raises(
        ValueError, match="belongs to another fit: dict_init is .* there and .* now"
    ):
        fit_resumable(new(dict_init=other), rows, folder)
    same = STARTS[there](rows)
    resumed = fit_resumable(new(dict_init=same), rows, folder)
    assert_same_fit(new(dict_init=one).fit(rows), resumed)


def test_the_same_directions_in_another_container_go_on(rows, tmp_path, monkeypatch):
    given, folder = directions(0), tmp_path / "sae"
    fit_interrupted(new(dict_init=given), rows, folder, after=1, monkeypatch=monkeypatch)
    resumed = fit_resumable(new(dict_init=given.tolist()), rows, folder)
    assert_same_fit(new(dict_init=given).fit(rows), resumed)


class OtherTopK(SignedTopK):
    """The same under another name."""


@pytest.mark.parametrize(
    "now", [SignedTopK(2), OtherTopK(3), "topk", "relu"], ids=["k", "class", "topk", "relu"]
)
def test_another_activation_is_refused(rows, tmp_path, monkeypatch, now):
    folder = tmp_path / "sae"
    interrupted = new(activation=SignedTopK(3))
    fit_interrupted(interrupted, rows, folder, after=1, monkeypatch=monkeypatch)
    message = r"activation is 'tests\.signed_topk\.SignedTopK {\"k\": 3}' there and"
    with pytest.raises(ValueError, match=message):
        fit_resumable(new(activation=now), rows, folder)


@pytest.mark.parametrize("now", [[2, 6], [0.2, 0.5], None])
def test_other_prefixes_are_refused_and_the_same_go_on(rows, tmp_path, monkeypatch, now):
    folder = tmp_path / "sae"
    fit_interrupted(new(matryoshka=(2, 5)), rows, folder, after=1, monkeypatch=monkeypatch)
    with pytest.raises(ValueError, match=r"matryoshka is \[2, 5\] there and"):
        fit_resumable(new(matryoshka=now), rows, folder)
    resumed = fit_resumable(new(matryoshka=np.array([2, 5])), rows, folder)
    assert_same_fit(new(matryoshka=[2, 5]).fit(rows), resumed)


def test_what_does_not_change_the_result_may_differ(rows, tmp_path, interrupted):
    again = fit_resumable(new(device="auto", sparse_output=False), rows, tmp_path / "sae")
    np.testing.assert_array_equal(again.components_, new().fit(rows).components_)


@pytest.mark.parametrize("change", ["value", "order", "dtype", "fewer"])
def test_other_rows_are_refused(rows, tmp_path, interrupted, change):
    other = rows.copy()
    other[3, 2] += 1e-3
    others = {
        "value": other,
        "order": rows[::-1],
        "dtype": rows.astype(np.float64),
        "fewer": rows[:-1],
    }
    with pytest.raises(ValueError, match="rows is '700 x 6 float32, SHA-256 .* there and"):
        fit_resumable(new(), others[change], tmp_path / "sae")


class Bomb:
    """Makes a file if anything unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "x"))


def test_damaged_checkpoints_are_refused_and_nothing_is_run(rows, tmp_path, interrupted):
    content = interrupted.read_bytes()
    with safe_open(interrupted, framework="numpy") as file:
        texts = file.metadata()

    def refuse(match):
        with pytest.raises(ValueError, match=match + r".*remove it to start over"):
            fit_resumable(new(), rows, tmp_path / "sae")
        interrupted.write_bytes(content)

    for broken in (content[:100], content[:-8], b"", pickle.dumps(Bomb(tmp_path / "exploded"))):
        interrupted.write_bytes(broken)
        refuse("cannot be read as safetensors .* pickles are never loaded")
    interrupted.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refuse("was changed after it was written")
    arrays = load_file(interrupted)
    save_file(arrays, interrupted, metadata=texts | {"version": "1"})
    refuse("version '1' but 'skdict.checkpoint', version '2' is expected")
    plain = json.loads(texts["plain"]) | {"n_iter": 3}
    save_file(arrays, interrupted, metadata=texts | {"plain": json.dumps(plain)})
    refuse("was changed after it was written")
    save_file(arrays, interrupted)
    refuse("has format None")
    assert not (tmp_path / "exploded").exists()
    assert_same_fit(new().fit(rows), fit_resumable(new(), rows, tmp_path / "sae"))


def test_what_cannot_be_resumed(rows, tmp_path):
    with pytest.raises(TypeError, match="IdentityDictionary cannot be resumed"):
        fit_resumable(IdentityDictionary(), rows, tmp_path / "sae")
    with pytest.raises(TypeError, match="pass a whole number"):
        fit_resumable(new(random_state=np.random.RandomState(0)), rows, tmp_path / "sae")
    with pytest.raises(TypeError, match="JSON"):
        fit_resumable(new(), rows, tmp_path / "sae", metadata={"model": object()})
    held = SignedTopK(3)
    held.weights = np.ones(3)
    with pytest.raises(TypeError, match=r"attributes that cannot be compared .*ndarray"):
        fit_resumable(new(activation=held), rows, tmp_path / "sae")
    with pytest.raises(TypeError, match="dict_init='sae' is not accepted"):
        fit_resumable(new(dict_init="sae"), rows, tmp_path / "sae")
    with pytest.raises(TypeError, match="dict_init=RandomDictionary.* has no encoder_"):
        start = RandomDictionary(10).fit(rows)
        fit_resumable(new(dict_init=start), rows, tmp_path / "sae")
    (tmp_path / "precious").mkdir()
    with pytest.raises(FileExistsError, match="is not a saved dictionary"):
        fit_resumable(new(), rows, tmp_path / "precious")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
