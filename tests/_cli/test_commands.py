"""Extract, fit and show: one chain from texts to readable features."""

import json
import pickle
import shutil
from collections import namedtuple

import numpy as np
import pytest

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.__main__ import main
from skdict._store import store_digest
from skdict.activations import Activations
from skdict.inspection import summarize_features
from skdict.io import load_dictionary
from skdict.metrics import compare_dictionaries
from tests.inspection.report.planted_pages import page_data

SMALL = ("--batch-size", 64)
POINTS = ("resid_post.0", "mlp_act.1")
TOPK = ("fit", "STORE", "--out", "x", "--activation", "topk")
TEXTS = load_stories().texts[:12]


def run(*arguments):
    return main([*map(str, arguments)])


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n<|endoftext|>\n".join(TEXTS), encoding="utf-8")
    return path


def extract_options(texts, out):
    points = [part for point in POINTS for part in ("--hook-point", point)]
    return [
        "extract",
        "--texts",
        texts,
        "--out",
        out,
        *points,
        "--texts-per-shard",
        5,
        "--max-length",
        48,
    ]


@pytest.fixture(scope="module")
def stores(texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("stores") / "out"
    assert run(*extract_options(texts, out), "--json", "--dtype", "float16") == 0
    return out


@pytest.fixture(scope="module")
def fitted(stores, tmp_path_factory):
    out = tmp_path_factory.mktemp("fitted") / "sae"
    options = ("--n-components", 48, "--max-iter", 2, "--alpha", 0.2, "--seed", 3, *SMALL)
    assert run("fit", stores / POINTS[0], "--out", out, *options, "--json") == 0
    return out


@pytest.mark.parametrize("point", POINTS)
def test_the_stores_hold_what_the_extractor_gives(stores, point):
    acts = Activations.load(stores / point, verify=True)
    due = ActivationExtractor(
        load_stories().model, point, max_length=48, dtype="float16"
    ).fit_transform(TEXTS)
    # Texts are padded with others here, which moves the last bit.
    np.testing.assert_allclose(acts, due, rtol=2e-3, atol=2e-3)
    for name in ("documents", "positions", "token_ids"):
        np.testing.assert_array_equal(getattr(acts, name), getattr(due, name))
    assert acts.vocabulary == due.vocabulary
    np.testing.assert_array_equal(acts.vocabulary.vectors, due.vocabulary.vectors)
    assert acts.metadata == due.metadata
    shards = json.loads((stores / point / "activations.json").read_text())["shards"]
    assert [shard["next_document"] for shard in shards] == [5, 10, 12]


def test_extract_says_what_it_takes_and_does_nothing_twice(texts, tmp_path, capsys):
    options = extract_options(texts, tmp_path / "out")
    assert run(*options) == 0
    shown, progress = capsys.readouterr()
    assert "12/12" in progress
    assert "rows of width 384, float32" in shown
    n_rows = len(Activations.load(tmp_path / "out" / POINTS[0]))
    assert f"12 texts will give {n_rows:,} rows at {', '.join(POINTS)}: about" in progress
    before = (tmp_path / "out" / POINTS[0] / "00000" / "rows.npy").stat().st_mtime_ns
    assert run(*options) == 0
    assert "resuming: 12 of 12 texts are already done" in capsys.readouterr().err
    after = (tmp_path / "out" / POINTS[0] / "00000" / "rows.npy").stat().st_mtime_ns
    assert after == before
    assert run(*options, "--max-length", 99) == 1
    assert "max_length was 48 and is now 99" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["max_length"] == 48
    assert run(*options, "--long-texts", "split") == 1
    assert "long_texts was 'truncate' and is now 'split'" in capsys.readouterr().err


def test_a_text_too_short_for_a_row_keeps_its_number(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n<|endoftext|>\n".join(["a", "a", TEXTS[0], "a", TEXTS[1]]))
    options = ("--texts-per-shard", 1, "--skip-first", 2, "--hook-point", "resid_post.0")
    assert run("extract", "--texts", path, "--out", tmp_path / "out", *options, "--json") == 0
    acts = Activations.load(tmp_path / "out" / "resid_post.0")
    assert np.unique(acts.documents).tolist() == [2, 4]


def test_a_disk_too_small_is_refused_before_work_begins(texts, tmp_path, monkeypatch, capsys):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 0, 10**6))
    assert run(*extract_options(texts, tmp_path / "out")) == 1
    assert "but only 1 MB are free at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_fit_saves_what_the_estimator_learns(stores, fitted):
    acts = Activations.load(stores / POINTS[0])
    sae = SparseDictionaryAutoencoder(48, max_iter=2, alpha=0.2, random_state=3, batch_size=64).fit(
        acts
    )
    loaded = load_dictionary(fitted)
    np.testing.assert_array_equal(loaded.components_, sae.components_)
    assert loaded.metadata_["hook_point"] == POINTS[0]
    assert loaded.metadata_["fit"]["store_digest"] == store_digest(stores / POINTS[0])
    settings = json.loads((fitted / "settings.json").read_text())
    assert (settings["alpha"], settings["n_components"], settings["seed"]) == (0.2, 48, 3)
    assert settings["device"] in ("cpu", "cuda")


def test_fit_from_its_own_settings_is_there_already(stores, fitted, capsys):
    before = (fitted / "dictionary.safetensors").stat().st_mtime_ns
    assert run("fit", "--settings", fitted / "settings.json") == 0
    shown, progress = capsys.readouterr()
    assert "already holds a dictionary with these settings" in progress
    assert "48 features, 216 steps" in shown
    assert (fitted / "dictionary.safetensors").stat().st_mtime_ns == before
    assert run("fit", "--settings", fitted / "settings.json", "--alpha", 0.3) == 1
    assert "with other settings: alpha was 0.2 and is now 0.3" in capsys.readouterr().err


def test_fit_steers_alpha_to_a_target(stores, tmp_path, capsys):
    acts = Activations.load(stores / POINTS[0])
    sae = SparseDictionaryAutoencoder(
        48, max_iter=2, target_l0=4, random_state=0, batch_size=64
    ).fit(acts)
    options = ("--n-components", 48, "--max-iter", 2, "--target-l0", 4, *SMALL)
    assert run("fit", stores / POINTS[0], "--out", tmp_path / "sae", *options, "--json") == 0
    results, loaded = json.loads(capsys.readouterr().out), load_dictionary(tmp_path / "sae")
    np.testing.assert_array_equal(loaded.components_, sae.components_)
    assert results["alpha"] == loaded.alpha_ == sae.alpha_ != 0.1


@pytest.mark.parametrize(
    ("given", "sizes"), [("12,24", [12, 24]), ("1/4,1/2", [0.25, 0.5]), ("0.25", [0.25])]
)
def test_fit_nests_prefixes(stores, tmp_path, capsys, given, sizes):
    options = ("--n-components", 48, "--max-iter", 1, "--activation", "jumprelu", *SMALL)
    out = tmp_path / "nested"
    options = *options, "--target-l0", 4, "--matryoshka", given, "--json"
    assert run("fit", stores / POINTS[0], "--out", out, *options) == 0
    results = json.loads(capsys.readouterr().out)
    assert results["activation"] == "jumprelu" and "alpha" not in results
    loaded = load_dictionary(out)
    assert loaded.matryoshka == sizes
    assert results["median_threshold"] == pytest.approx(np.median(loaded.thresholds_))
    again = run("fit", "--settings", out / "settings.json", "--matryoshka", "1/3,1/2")
    assert again == 1 and "matryoshka was" in capsys.readouterr().err


@pytest.mark.parametrize("activation", ["topk", "batch_topk"])
def test_fit_keeps_the_largest_codes(stores, tmp_path, capsys, activation):
    acts, out = Activations.load(stores / POINTS[0]), tmp_path / "sae"
    sae = SparseDictionaryAutoencoder(
        48, activation=activation, target_l0=4, max_iter=1, random_state=0, batch_size=64
    ).fit(acts)
    options = ("--n-components", 48, "--max-iter", 1, "--activation", activation, *SMALL)
    assert run("fit", stores / POINTS[0], "--out", out, *options, "--target-l0", 4, "--json") == 0
    results, loaded = json.loads(capsys.readouterr().out), load_dictionary(out)
    np.testing.assert_array_equal(loaded.components_, sae.components_)
    np.testing.assert_array_equal(loaded.transform(acts).toarray(), sae.transform(acts).toarray())
    assert results["activation"] == activation and "alpha" not in results
    if activation == "topk":
        assert results["k"] == 4
    else:
        assert results["threshold"] == sae.thresholds_[0] > 0
    # The same again, from its own settings; and for people.
    assert run("fit", "--settings", out / "settings.json") == 0
    shown, progress = capsys.readouterr()
    assert "already holds a dictionary with these settings" in progress
    assert f"L0 {sae.history_[-1]['l0']:.1f}, " in shown and "alpha" not in shown
    assert run("fit", "--settings", out / "settings.json", "--activation", "relu") == 1
    assert f"activation was '{activation}' and is now 'relu'" in capsys.readouterr().err


def test_fit_without_options_has_the_defaults_of_the_estimator(stores, tmp_path, capsys):
    for activation in ("relu", "topk", "batch_topk"):
        out = tmp_path / activation
        options = ("--n-components", 48, "--max-iter", 1, "--activation", activation, *SMALL)
        assert run("fit", stores / POINTS[0], "--out", out, *options, "--json") == 0
        sae = load_dictionary(out)
        default = SparseDictionaryAutoencoder()
        assert (sae.alpha, sae.target_l0) == (default.alpha, default.target_l0)
        used = json.loads((out / "settings.json").read_text())
        assert (used["alpha"], used["target_l0"]) == (None, None)


def test_fit_says_what_it_takes(stores, tmp_path, capsys):
    options = ("--out", tmp_path / "sae", "--max-iter", 1, "--n-components", 16, *SMALL)
    assert run("fit", stores / POINTS[1], *options) == 0
    shown, progress = capsys.readouterr()
    assert "of width 384: 108 steps in 1 epochs, about" in progress
    assert "MB of memory" in progress
    assert "100%" in progress
    assert f"python -m skdict show {tmp_path / 'sae'}" in shown


def test_show_measures_and_summarises(stores, fitted, capsys):
    options = ("--features", "5,1", "--n-contexts", 2)
    assert run("show", fitted, stores / POINTS[0], *options, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    acts, sae = Activations.load(stores / POINTS[0]), load_dictionary(fitted)
    due = compare_dictionaries({"x": sae}, None, acts).records[0]
    assert shown["measures"] == {k: v for k, v in due.items() if k != "dictionary"}
    summaries = summarize_features(sae.transform(acts), acts, [5, 1], n_contexts=2)
    for found, summary in zip(shown["features"], summaries, strict=True):
        assert found["feature"] == summary.feature
        assert found["density"] == summary.density
        assert [text for _, text in found["contexts"]] == [text for _, text in summary.contexts]
    assert shown["fitted_on_these_rows"] is True
    assert run("show", fitted, stores / POINTS[0], "--n-features", 3) == 0
    shown = capsys.readouterr().out
    assert "fraction of variance unexplained" in shown
    assert shown.count("\nfeature ") == 3


def test_report_is_a_page_on_the_saved_dictionary(stores, fitted, tmp_path, capsys):
    out = tmp_path / "page.html"
    options = ("--out", out, "--n-explained", 8, "--title", "Block 0")
    assert run("report", fitted, stores / POINTS[0], *options, "--json") == 0
    shown, progress = capsys.readouterr()
    assert progress == ""
    results, data = json.loads(shown), page_data(out)
    assert data["title"] == "Block 0"
    acts = Activations.load(stores / POINTS[0])
    table = compare_dictionaries({"d": load_dictionary(fitted)}, None, acts).records[0]
    assert data["summary"]["fvu"] == pytest.approx(table["fvu"], rel=1e-3)
    assert data["summary"]["l0"] == pytest.approx(table["l0"], rel=1e-3)
    assert sum(text != "" for text in data["table"]["text"]) == 8
    assert results["bytes"] == out.stat().st_size
    assert run("report", fitted, stores / POINTS[0], "--out", out, "--n-explained", 0) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert page_data(out)["interpretation"] is None


def test_show_tells_of_rows_from_elsewhere(stores, tmp_path, capsys):
    acts = Activations.load(stores / POINTS[0])
    acts.metadata["hook_point"] = "resid_post.7"
    acts.save(tmp_path / "other")
    options = ("--max-iter", 1, "--n-components", 16, *SMALL, "--json")
    assert run("fit", tmp_path / "other", "--out", tmp_path / "sae", *options) == 0
    assert run("show", tmp_path / "sae", stores / POINTS[0], "--n-features", 1) == 0
    told = capsys.readouterr().err
    assert "hook_point of the dictionary is 'resid_post.7', that of the rows 'resid_post.0'" in told


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_settings_are_read_and_the_command_line_wins(texts, tmp_path, kind):
    settings = {"hook-point": "resid_post.1", "max_length": 16, "texts": str(texts)}
    path = tmp_path / f"settings.{kind}"
    if kind == "json":
        path.write_text(json.dumps(settings))
    else:
        path.write_text("\n".join(f"{name}: {value}" for name, value in settings.items()))
    out = tmp_path / "out"
    assert run("extract", "--settings", path, "--out", out, "--max-length", 12, "--json") == 0
    acts = Activations.load(out / "resid_post.1")
    assert acts.positions.max() == 11
    used = json.loads((out / "settings.json").read_text())
    assert (used["max_length"], used["hook_point"]) == (12, ["resid_post.1"])
    assert (used["texts"], used["batch_size"], used["model"]) == (str(texts), 32, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "alhpa: 3",
            "unknown option alhpa; accepted options are activation, alpha, batch-size, device",
        ),
        ("target-l0: few", "target_l0='few' is not accepted"),
        ("alpha: much", "alpha='much' is not accepted"),
        ("max-iter: 2.5", "max_iter=2.5 is not accepted"),
        ("alpha: true", "pass a value, not true or false"),
        ("matryoshka: 1/0", "'1/0' is not a list of sizes: pass numbers such as 144,576"),
        ("json: 3", "pass true or false"),
        ("precision: half", "pass one of auto, float32, bfloat16"),
        ("activation: top", "pass one of relu, topk, batch_topk, jumprelu"),
        ("[1, 2]", "not a mapping of options; accepted options are"),
        ("a: b: c", "not valid YAML or JSON"),
        ("!!python/object/apply:os.system ['touch exploded']", "not valid YAML or JSON"),
    ],
)
def test_settings_that_do_not_fit(stores, tmp_path, capsys, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "settings.yaml"
    path.write_text(settings)
    assert run("fit", stores / POINTS[0], "--out", tmp_path / "sae", "--settings", path) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert message in error[0]
    assert [p.name for p in tmp_path.iterdir()] == ["settings.yaml"]


def test_scientific_notation_is_a_number(stores, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("learning-rate: 1e-3\nmax-iter: 1\nn-components: 8\nbatch-size: 64\n")
    options = ("--out", tmp_path / "sae", "--settings", path, "--json")
    assert run("fit", stores / POINTS[0], *options) == 0
    assert load_dictionary(tmp_path / "sae").learning_rate == 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract"], "missing --out"),
        (["extract", "--out", "x", "--hook-point", "resid_post.9"], "'resid_post.0' to"),
        (["extract", "--out", "x", *["--hook-point", "mlp_out.0"] * 2], "each hook point once"),
        (["extract", "--out", "x", "--texts-per-shard", "0"], "--texts-per-shard=0"),
        (["extract", "--out", "x", "--model", "./nowhere"], "no such folder"),
        (["extract", "--out", "x", "--settings", "nowhere"], "no such file"),
        (["fit", "--out", "x"], "missing STORE"),
        (["fit", "nowhere", "--out", "x"], "has no activations.json"),
        (["fit", "STORE", "--out", "x", "--alpha", "-1"], "--alpha=-1.0"),
        (["fit", "STORE", "--out", "x", "--target-l0", "-1"], "--target-l0=-1.0"),
        (["fit", "STORE", "--out", "x", "--target-l0", "513"], "--target-l0=513.0"),
        ([*TOPK, "--target-l0", "8.5"], "--target-l0=8.5 is not accepted: with --activation topk"),
        ([*TOPK, "--target-l0", "nan"], "--target-l0=nan"),
        (
            [*TOPK[:-1], "jumprelu", "--alpha", "0.1", "--target-l0", "4"],
            "--alpha 0.1 cannot be used with --activation jumprelu, when --target-l0",
        ),
        ([*TOPK, "--alpha", "0.1"], "--alpha 0.1 cannot be used with --activation topk"),
        (["extract", "--out", "x", "--texts", "nowhere"], "--texts nowhere: no such file"),
        (["fit", "STORE", "--out", "STORE"], "is not a saved dictionary"),
        (["show", "nowhere", "STORE"], "'nowhere' does not exist; pass a folder or file"),
        (["show", "SAE", "STORE", "--features", "48"], "--features contains 48, which does not"),
        (["show", "SAE", "OTHER"], "384 features"),
        (["report", "SAE", "OTHER", "--n-explained", "0"], "384 features"),
        (["report", "SAE", "STORE", "--out", "."], "is a folder; pass a file"),
    ],
)
def test_bad_input_is_told_in_one_line(
    stores, fitted, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    names = {"STORE": stores / POINTS[0], "OTHER": stores / POINTS[1], "SAE": fitted}
    assert run(*[names.get(part, part) for part in arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("skdict: error: ")
    assert message in error
    assert not list(tmp_path.iterdir())


def test_a_pickle_in_a_store_is_refused(stores, tmp_path, capsys):
    shutil.copytree(stores / POINTS[0], tmp_path / "store")
    (tmp_path / "store" / "00000" / "rows.npy").write_bytes(pickle.dumps([1, 2]))
    assert run("fit", tmp_path / "store", "--out", tmp_path / "sae") == 1
    assert "pickles are never loaded" in capsys.readouterr().err
