"""What a report holds, whatever shows it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from skdict import IdentityDictionary, SparseDictionaryAutoencoder, load_stories
from skdict.activations import Activations
from skdict.feature_extraction import ActivationExtractor
from skdict.inspection import write_report
from skdict.inspection.report import visible
from skdict.inspection.report._page import embedded_json
from skdict.interpretation import FeatureInterpreter
from skdict.metrics import fvu
from tests.decomposition.made_transcoder import make_transcoder
from tests.inspection.report.planted_pages import VOCABULARY, page_data, planted


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    dictionary, acts = planted()
    write_report(path, dictionary, acts)
    return path, acts


def test_the_table_is_what_numpy_counts(made):
    path, acts = made
    data, rows = page_data(path), np.asarray(acts)
    assert data["table"]["feature"] == list(range(6))
    np.testing.assert_allclose(data["table"]["density"], (rows > 0).mean(axis=0), rtol=1e-3)
    np.testing.assert_array_equal(data["table"]["count"], (rows > 0).sum(axis=0))
    np.testing.assert_allclose(data["table"]["max"], rows.max(axis=0), rtol=1e-3)
    assert data["summary"] == {
        "fvu": 0.0,
        "l0": pytest.approx((rows > 0).sum(axis=1).mean(), rel=1e-4),
        "n_dead": 0,
    }
    assert ["model", "model"] in data["about"]
    for j, detail in enumerate(data["details"]):
        assert sum(detail["hist"][1]) == data["table"]["count"][j]
        leading, share, probability, _ = detail["tok"][0]
        on_token = acts.token_ids == j
        assert data["tokens"][leading] == visible(VOCABULARY[j])
        assert share == pytest.approx(1000 * rows[on_token, j].sum() / rows[:, j].sum(), abs=1)
        assert probability == 1000


def test_windows_are_those_of_the_text(made):
    path, acts = made
    data, rows = page_data(path), np.asarray(acts)
    for j, detail in enumerate(data["details"]):
        best = np.sort([rows[acts.documents == d, j].max() for d in range(30)])[::-1][:8]
        shown = [max(codes[1::2]) / 1000 * data["table"]["max"][j] for _, codes in detail["top"]]
        np.testing.assert_allclose(shown, best, atol=2e-3)
        for place, codes in [*detail["top"], *detail["random"]]:
            document, position, tokens = data["windows"][place]
            here = (acts.documents == document) & (acts.positions >= position)
            ids = acts.token_ids[here][: len(tokens)]
            assert [data["tokens"][t] for t in tokens] == [visible(VOCABULARY[i]) for i in ids]
            np.testing.assert_array_equal(np.flatnonzero(rows[here, j] > 0), codes[::2])
        for place in detail["silent"]:
            document = data["windows"][place][0]
            assert not rows[acts.documents == document, j].any()


def test_signs_are_features_of_their_own(tmp_path):
    _, acts = planted()
    pca = PCA(4, random_state=0).fit(np.asarray(acts))
    write_report(tmp_path / "pca.html", pca, acts)
    data, codes = page_data(tmp_path / "pca.html"), pca.transform(np.asarray(acts))
    assert data["table"]["feature"] == list(range(8))
    np.testing.assert_array_equal(
        data["table"]["count"], [*(codes > 0).sum(axis=0), *(codes < 0).sum(axis=0)]
    )
    error = fvu(acts, pca.inverse_transform(codes))
    assert data["summary"]["fvu"] == pytest.approx(error, rel=1e-3)
    # Every axis of PCA is at right angles to the others.
    assert all(abs(c) < 1e-5 for detail in data["details"] for _, c in detail["near"])


def test_dead_features_have_a_sheet_and_no_window(tmp_path):
    dictionary, acts = planted()
    rows = np.asarray(acts).copy()
    rows[:, 2] = 0
    acts._base["rows"] = rows
    write_report(tmp_path / "dead.html", dictionary, acts, features=[2, 4])
    data = page_data(tmp_path / "dead.html")
    assert data["table"]["feature"] == [2, 4]
    assert data["summary"]["n_dead"] == 1
    assert data["densities"].count(0.0) == 1 and len(data["densities"]) == 6
    dead, alive = data["details"]
    assert dead == {
        "hist": [0, []],
        "near": [],
        "random": [],
        "silent": dead["silent"],
        "tok": [],
        "top": [],
        "up": [],
        "down": [],
    }
    assert 2 not in [other for other, _ in alive["near"]]


@pytest.mark.parametrize("kind", ["records", "columns", "frame", "indexed frame"])
def test_scores_and_effects_come_as_tables(kind, tmp_path):
    dictionary, acts = planted()
    scores = [
        {"feature": 1, "score": 0.5, "status": "scored", "explanation": "fires on <b>"},
        {"feature": 3, "score": float("nan"), "status": "dead", "explanation": None},
    ]
    scores[0]["details"], scores[1]["details"] = '"<b>\n" (10)', None
    pairs = ((1, " a", 0.5), (1, "\x00", 2.0), (1, " c", -1.0), (1, " d", -3.0), (4, "e", np.nan))
    effects = [dict(zip(("feature", "token", "effect"), pair, strict=True)) for pair in pairs]
    if kind == "columns":
        scores, effects = (pd.DataFrame(t).to_dict("list") for t in (scores, effects))
    elif "frame" in kind:
        scores, effects = pd.DataFrame(scores), pd.DataFrame(effects)
    if kind == "indexed frame":
        scores, effects = scores.set_index("feature"), effects.set_index("feature")
    write_report(tmp_path / "r.html", dictionary, acts, scores=scores, effects=effects)
    data = page_data(tmp_path / "r.html")
    assert data["table"]["score"] == [None, 0.5, None, None, None, None]
    assert data["table"]["status"] == ["", "scored", "", "dead", "", ""]
    assert data["table"]["text"][1:4] == ["fires on <b>", "", ""]
    assert [sheet.get("rules") for sheet in data["details"][1:4]] == ['"<b>↵" (10)', None, None]
    assert data["details"][1]["up"] == [["␀", 2.0], [" a", 0.5]]
    assert data["details"][1]["down"] == [[" d", -3.0], [" c", -1.0]]
    assert data["details"][4]["up"] == []


def test_scores_of_an_interpreter_are_shown(tmp_path):
    stories = load_stories()
    acts = ActivationExtractor(stories.model, "resid_post.1").fit_transform(stories.texts[:20])
    sae = SparseDictionaryAutoencoder(48, max_iter=1, random_state=0).fit(acts)
    interpreter = FeatureInterpreter(sae, n_features=8, random_state=0).fit(acts)
    write_report(tmp_path / "r.html", sae, acts, scores=interpreter)
    data = page_data(tmp_path / "r.html")
    for feature, explanation, score in zip(
        interpreter.features_, interpreter.explanations_, interpreter.scores_, strict=True
    ):
        row = data["table"]["feature"].index(feature)
        assert data["table"]["text"][row] == visible(explanation.text)
        assert data["details"][row].get("rules", "") == visible(explanation.details)
        assert data["table"]["score"][row] == pytest.approx(score, rel=1e-4, nan_ok=True)
    assert data["interpretation"]["interpretability"] == pytest.approx(
        interpreter.mean_score_, rel=1e-4
    )


@pytest.fixture(scope="module")
def transcoding():
    """Return a transcoder with a skip connection, and activations of its rows and targets."""
    _, acts = planted()
    rng = np.random.default_rng(0)
    targets = np.asarray(acts) @ rng.standard_normal((6, 3)) + rng.standard_normal((len(acts), 3))
    targets = Activations(
        targets.astype("float32"),
        documents=acts.documents,
        positions=acts.positions,
        token_ids=acts.token_ids,
        metadata={"model": "a/model", "hook_point": "mlp_out.1"},
    )
    components, skip = rng.standard_normal((2, 6, 3))
    encoder = 2 * np.eye(6)[::-1]
    transcoder = make_transcoder(encoder, -np.ones(6), components, np.ones(3), skip_=skip)
    return transcoder, acts, targets


def test_a_report_on_a_transcoder(transcoding, tmp_path):
    transcoder, acts, targets = transcoding
    write_report(tmp_path / "r.html", transcoder, acts, y=targets)
    data, codes = page_data(tmp_path / "r.html"), transcoder.transform(acts).toarray()
    # The sheets are those of the codes, whatever these predict.
    like = IdentityDictionary().fit(codes)
    names = "documents", "positions", "token_ids", "vocabulary"
    coded = Activations(codes, **{name: getattr(acts, name) for name in names})
    write_report(tmp_path / "codes.html", like, coded)
    expected = page_data(tmp_path / "codes.html")
    assert data["table"] == expected["table"]
    for sheet, other in zip(data["details"], expected["details"], strict=True):
        assert {**sheet, "near": None} == {**other, "near": None}
    assert data["summary"]["fvu"] == pytest.approx(fvu(targets, transcoder.predict(acts)), rel=1e-3)
    assert data["summary"]["l0"] == expected["summary"]["l0"]
    assert data["predicts"] is True and expected["predicts"] is False
    assert ["predicted hook point", "mlp_out.1"] in data["about"]
    # Neighbours write in similar directions.
    atoms = transcoder.components_ / np.linalg.norm(transcoder.components_, axis=1, keepdims=True)
    fires = codes.any(axis=0)
    for feature, sheet in zip(data["table"]["feature"], data["details"], strict=True):
        for other, cosine in sheet["near"]:
            assert fires[other]
            assert cosine == pytest.approx(atoms[feature] @ atoms[other], abs=1e-3)


def test_rows_in_any_order_keep_their_targets(transcoding, tmp_path):
    transcoder, acts, targets = transcoding
    order = np.random.default_rng(0).permutation(len(acts))
    for name, rows in (("a", slice(None)), ("b", order)):
        write_report(tmp_path / name, transcoder, acts[rows], y=targets[rows])
    assert page_data(tmp_path / "a")["summary"] == page_data(tmp_path / "b")["summary"]


def test_without_its_targets_a_transcoder_has_no_fvu(transcoding, tmp_path):
    transcoder, acts, _ = transcoding
    write_report(tmp_path / "r.html", transcoder, acts)
    assert set(page_data(tmp_path / "r.html")["summary"]) == {"l0", "n_dead"}
    assert "The FVU is left out: a transcoder is measured on" in (tmp_path / "r.html").read_text()


def test_targets_that_do_not_match_are_refused(transcoding, tmp_path):
    transcoder, acts, targets = transcoding
    for dictionary, y, message in (
        (IdentityDictionary().fit(np.asarray(acts)), targets, "y is given, but IdentityDictionary"),
        (transcoder, targets[:40], "X has 1200 rows but y has 40"),
        (transcoder, acts, "y has 6 columns but SparseTranscoder predicts 3"),
        (transcoder, targets[np.roll(np.arange(1200), 40)], "X and y differ in documents"),
        (transcoder, np.full((1200, 3), np.nan), "Input y contains NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            write_report(tmp_path / "r.html", dictionary, acts, y=y)
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_the_data_can_end_the_script(made):
    text = made[0].read_text(encoding="utf-8")
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "<img" not in text
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src &#x27;none', text)
    held = embedded_json({"a": "</script><!--", "b": "\u2028\udce2"})
    assert not set("<>&\u2028") & set(held) and held.isascii()


def test_a_page_is_the_same_every_time_and_small(tmp_path):
    dictionary, acts = planted(n_features=50, n_documents=200)
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, dictionary, acts, verbose=False)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    # Ten megabytes for a thousand features, beyond 60 KB of script and style.
    assert (tmp_path / "a.html").stat().st_size < 60_000 + 50 * 10_000


def test_only_tokens_that_are_shown_are_embedded(tmp_path):
    dictionary, acts = planted()
    acts._base["vocabulary"] = [*VOCABULARY, *(f"unseen {i}" for i in range(50_000))]
    write_report(tmp_path / "r.html", dictionary, acts, n_silent=0, features=[0])
    data = page_data(tmp_path / "r.html")
    used = {t for _, _, tokens in data["windows"] for t in tokens}
    used |= {token for token, *_ in data["details"][0]["tok"]}
    assert used == set(range(len(data["tokens"])))
    assert "unseen" not in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"acts": np.zeros((3, 6))}, TypeError, "pass Activations"),
        ({"dictionary": object()}, TypeError, "a dictionary is a fitted"),
        ({"features": [12]}, ValueError, "features contains 12, which does not exist"),
        ({"n_top": -1}, ValueError, "n_top=-1"),
        ({"window": 0}, ValueError, "window=0"),
        ({"scores": 3}, TypeError, "scores is int; pass a data frame"),
        ({"scores": {"feature": [1]}}, ValueError, "scores has no column score"),
        ({"effects": {"feature": [1], "token": [], "effect": []}}, ValueError, "differ in length"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(options, error, message, tmp_path):
    dictionary, acts = planted()
    arguments = {"dictionary": dictionary, "acts": acts, **options}
    with pytest.raises(error, match=re.escape(message)):
        write_report(tmp_path / "r.html", verbose=False, **arguments)
    assert list(tmp_path.iterdir()) == []


EVALUATION = {
    "dictionaries": ["a<b>", "b"],
    "measures": [
        {
            "part": "loss",
            "name": "fvu",
            "about": "lower\tis better",
            "values": [
                {"value": 0.123456, "low": 0.1, "high": 0.2},
                {"value": None, "low": None, "high": None},
            ],
        }
    ],
    "counts": {"n_loss_tokens": 12},
    "left_out": {"absorption": "Skipped."},
}


def test_the_table_of_an_evaluation_is_in_the_page(tmp_path):
    dictionary, acts = planted()
    file = tmp_path / "evaluation.json"
    file.write_text(json.dumps(EVALUATION))
    shown = []
    for given in (EVALUATION, file, str(file), Bunch(to_dict=lambda: EVALUATION)):
        write_report(tmp_path / "r.html", dictionary, acts, evaluation=given, features=[0])
        shown.append(page_data(tmp_path / "r.html")["evaluation"])
    assert all(one == shown[0] for one in shown)
    assert shown[0] == {
        "names": ["a<b>", "b"],
        "measures": [["loss", "fvu", "lower⇥is better", [[0.1235, 0.1, 0.2], [None] * 3]]],
        "counts": [["loss tokens", 12]],
        "left_out": [["absorption", "Skipped."]],
    }


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "evaluation=3 is not accepted: pass the result of evaluate_dictionary"),
        ({}, ValueError, "does not hold the result of evaluate_dictionary"),
        (EVALUATION | {"measures": [{}]}, ValueError, "KeyError: 'part'"),
        (EVALUATION | {"counts": [1]}, ValueError, "AttributeError"),
    ],
)
def test_what_is_not_an_evaluation_is_rejected(tmp_path, given, error, message):
    dictionary, acts = planted()
    with pytest.raises(error, match=message):
        write_report(tmp_path / "r.html", dictionary, acts, evaluation=given)
    assert not list(tmp_path.iterdir())
