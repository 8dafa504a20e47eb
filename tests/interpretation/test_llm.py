"""A language model explains and simulates: known answers, bad replies, cache and budget."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skdict._llm._errors import BudgetSpentError, ReplyError
from skdict._llm._prompts import simulate_request
from skdict._llm._read_replies import expected_level, read_explanation, read_levels
from skdict._llm._requests import Request
from skdict.inspection import Record
from skdict.interpretation import (
    FeatureInterpreter,
    InterpretabilityScorer,
    LexiconExplainer,
    LLMExplainer,
    LLMSimulator,
    NGramExplainer,
    cunningham2023,
)
from skdict.interpretation.explainers._llm_explainer import quantize
from skdict.interpretation.llm import ClientError, Completion, ManagedClient
from tests.interpretation.planted import VOCABULARY, as_activations, text
from tests.scripted import Reader, expecting

SAMPLED = {"sampling": "top_and_random", "sign": "positive", "window": 16, "random_state": 0}


@pytest.fixture(scope="module")
def planted():
    """Two tokens that explain all, one without any reason, and one dead."""
    table = _, _, ids = text(60, 32, 12)
    codes = np.zeros((len(ids), 4))
    codes[:, 0], codes[:, 1] = 2.0 * (ids == 3), ids == 5
    codes[:, 2] = (np.random.default_rng(0).random(len(ids)) < 0.05) & ~np.isin(ids, [3, 5])
    return as_activations(codes, *table)


def interpreter(dictionary, client, method="all_at_once", **options):
    simulator = LLMSimulator(client, method=method)
    explainer = LLMExplainer(client, window=16)
    return FeatureInterpreter(
        dictionary, explainer=explainer, simulator=simulator, **(SAMPLED | options)
    )


@pytest.fixture(scope="module")
def fitted(planted):
    acts, dictionary = planted
    return interpreter(dictionary, Reader()).fit(acts)


def test_right_explanations_score_one(fitted):
    assert fitted.explanations_[0].text == "the token ' w3'"
    assert str(fitted.explanations_[1]) == "the token ' w5' [llm]"
    assert fitted.scores_[:2] == pytest.approx([1, 1])
    assert fitted.scores_[2] < 0.9
    assert fitted.status_.tolist() == ["scored", "scored", "scored", "dead"]
    assert fitted.explanations_[3] is None and fitted.failures_ == {}
    assert fitted.protocol_ == "skdict"
    # One token explains these features, so free words add nothing to rules about tokens.
    assert fitted.report_["context_gain"] == pytest.approx(0, abs=0.2)
    assert fitted.report_["shuffled"] < 0.2


@pytest.mark.parametrize("method", ["token_by_token", "json"])
def test_ways_to_simulate_agree(planted, fitted, method):
    acts, dictionary = planted
    other = interpreter(dictionary, Reader(), method).fit(acts)
    assert other.scores_ == pytest.approx(fitted.scores_, nan_ok=True)
    for feature, simulation in fitted.simulations_.items():
        scale = 4 / 3 if method == "json" else 1
        predicted = np.concatenate(simulation.predictions)
        assert np.concatenate(other.simulations_[feature].predictions) == pytest.approx(
            scale * predicted
        )


def test_scores_pool_the_tokens_of_windows_of_the_test_part(planted, fitted):
    acts, _ = planted
    for j, feature in enumerate(fitted.features_[:3]):
        simulation = fitted.simulations_[feature]
        assert 5 < len(simulation.records) <= 10
        places = [(r.document, r.position) for r in simulation.records]
        assert len(set(places)) == len(places)
        codes = np.concatenate([r.codes for r in simulation.records])
        expected = np.corrcoef(codes, np.concatenate(simulation.predictions))[0, 1]
        assert fitted.scores_[j] == pytest.approx(expected)
        for record in simulation.records:
            rows = (acts.documents == record.document) & (acts.positions >= record.position)
            assert np.array_equal(np.asarray(acts)[rows, feature][:16], record.codes)


def test_explained_and_tested_documents_are_apart(planted):
    acts, dictionary = planted
    reader = Reader()
    found = interpreter(dictionary, reader, "json").fit(acts)
    shown = [r.messages[-1][1] for r in reader.asked if "Say what" in r.messages[-1][1]]
    assert len(shown) == 3
    for simulation in found.simulations_.values():
        for record in simulation.records:
            lines = "\n".join(f" w{v}\t" for v in record.token_ids)
            assert all(lines.replace("\t", "") not in s.replace("\t", "") for s in shown)


def test_expected_level_by_hand():
    assert expected_level({"10": math.log(0.5), "0": math.log(0.5)}) == pytest.approx(5)
    # Words that are no level drop out, and the rest is renormalised.
    found = {"3": math.log(0.1), " 3": math.log(0.2), "7": math.log(0.1), "the": math.log(0.6)}
    assert expected_level(found) == pytest.approx((3 * 0.3 + 7 * 0.1) / 0.4)
    assert expected_level(expecting(10)) == pytest.approx(7.5)
    for nothing in (None, {}, {"11": -0.1, "x": -1.0}, {"3": -math.inf}):
        with pytest.raises(ReplyError, match="no number from 0 to 10"):
            expected_level(nothing)


def test_quantize_by_hand():
    levels = quantize([np.array([0.0, 3.0, -2.0, 29.9]), np.array([30.0, 2.9])])
    assert [found.tolist() for found in levels] == [[0, 1, 0, 9], [10, 0]]
    assert quantize([np.array([-1.0, 0.0])])[0].tolist() == [0, 0]
    # Rounding down keeps most of what a sparse feature is.
    rng = np.random.default_rng(0)
    codes = rng.exponential(size=200_000) * (rng.random(200_000) < 0.1)
    assert np.corrcoef(codes, quantize([codes])[0])[0, 1] == pytest.approx(0.945, abs=0.03)


def test_slots_stand_where_levels_do():
    request = simulate_request("x", (" a", "\\n", " b"), n_shots=2)
    assert len(request.slots) == 3
    before = [request.text[:slot].splitlines()[-1] for slot in request.slots]
    assert before == [" a\t", "\\n\t", " b\t"]
    assert all(request.text[slot : slot + 7] == "unknown" for slot in request.slots)


BAD_JSON = {
    "prose": "The feature fires on the third token.",
    "cut off": '{"levels": [0, 0, 10, 0',
    "too short": '{"levels": [0, 1]}',
    "no list": '{"levels": "0, 1, 2"}',
    "no levels": '{"activations": []}',
    "out of bounds": '{"levels": [0, 0, 11]}',
    "not a number": '{"levels": [0, null, 1]}',
    "nan": '{"levels": [0, NaN, 1]}',
    "empty": "",
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_bad_json_is_an_error(kind):
    with pytest.raises(ReplyError) as caught:
        read_levels(BAD_JSON[kind], 3)
    assert caught.value.raw == BAD_JSON[kind]


def test_good_json_is_read():
    assert read_levels('```json\n{"levels": [0, 2.5, 10]}\n```', 3).tolist() == [0, 2.5, 10]
    assert read_explanation("Sure!\n**Fires on: cats**") == "cats"
    for reply in ("Sorry, I cannot say.", "", "Fires on:", "Fires on: ..."):
        with pytest.raises(ReplyError):
            read_explanation(reply)


def faulty(bad, stage):
    """Return a reader that says something else about feature 0."""
    reader = Reader()

    def client(request):
        explains = any("Say what" in content for _, content in request.messages[-3:])
        if explains == (stage == "explain") and "' w3'" in _subject(request, explains):
            if isinstance(bad, Exception):
                raise bad
            return bad
        return reader(request)

    return client


def _subject(request, explains):
    asked = [content for role, content in request.messages if role == "user"]
    if not explains:
        return next(c for c in reversed(asked) if c.startswith("Feature"))
    shown = next(c for c in reversed(asked) if "Say what" in c)
    return "' w3'" if " w3\t10" in shown and " w5\t10" not in shown else ""


BAD = {
    "prose": (Completion("It is hard to say."), "It is hard to say."),
    "nothing": (Completion(""), ""),
    "no log-probabilities": (Completion("0", ()), "logprobs=()"),
    "none at a slot": (Completion("0", (None,) * 16), "None"),
    "words only": (Completion("0", ({"the": -0.1},) * 16), "the"),
    "429": (ClientError("429", raw="too many requests", transient=True), "too many requests"),
    "500": (ClientError("500", raw="oops", transient=True), "oops"),
    "timeout": (TimeoutError("took too long"), ""),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("method", ["all_at_once", "token_by_token", "json"])
def test_bad_replies_fail_the_feature_and_no_other(planted, fitted, kind, method):
    acts, dictionary = planted
    bad, raw = BAD[kind]
    if method == "json" and isinstance(bad, Completion):
        raw = bad.text
    client = ManagedClient(faulty(bad, "simulate"), max_retries=1, backoff=0)
    found = interpreter(dictionary, client, method).fit(acts)
    assert found.status_.tolist() == ["failed", "scored", "scored", "dead"]
    assert np.isnan(found.scores_[0]) and 0 not in found.simulations_
    assert found.failures_[0].stage == "simulate" and raw in found.failures_[0].raw
    assert found.counts_["n_failed"] == 1
    # Left out of the mean, not counted as 0.
    assert found.mean_score_ == pytest.approx(fitted.scores_[1:3].mean())


@pytest.mark.parametrize("kind", ["prose", "nothing", "429", "500", "timeout"])
def test_bad_replies_are_no_explanation(planted, kind):
    acts, dictionary = planted
    bad, raw = BAD[kind]
    client = ManagedClient(faulty(bad, "explain"), max_retries=1, backoff=0)
    found = interpreter(dictionary, client).fit(acts)
    assert found.status_[0] == "failed" and found.explanations_[0] is None
    assert found.failures_[0].stage == "explain" and found.failures_[0].raw == raw
    assert found.status_[1:3].tolist() == ["scored", "scored"]


def test_a_bad_reply_is_corrected(planted):
    acts, dictionary = planted
    reader = Reader()

    def client(request):
        told = request.messages[-1][1]
        if told.startswith("That answer cannot be read"):
            assert request.messages[-2] == ("assistant", "{")
            return reader(dataclasses.replace(request, messages=request.messages[:-2]))
        return "{" if request.json else reader(request)

    found = interpreter(dictionary, client, "json").fit(acts)
    assert found.scores_[:2] == pytest.approx([1, 1])


def test_a_client_that_refuses_stops_the_run(planted):
    acts, dictionary = planted

    def client(request):
        raise ClientError("no such model", refused=True)

    with pytest.raises(ClientError, match="no such model"):
        interpreter(dictionary, client).fit(acts)


def test_cache_answers_what_was_asked_before(planted, tmp_path):
    acts, dictionary = planted
    clients = [ManagedClient(Reader(), cache_dir=tmp_path) for _ in range(2)]
    first, second = (interpreter(dictionary, client).fit(acts) for client in clients)
    assert clients[0].n_calls == len(set(clients[0].client.function.asked)) > 0
    assert clients[1].n_calls == 0 and clients[1].n_cached >= clients[0].n_calls
    assert clients[1].n_tokens == 0
    assert np.array_equal(first.scores_, second.scores_, equal_nan=True)
    assert first.explanations_ == second.explanations_
    for path in tmp_path.rglob("*.json"):
        path.write_text(path.read_text()[:40])
    damaged = ManagedClient(Reader(), cache_dir=tmp_path)
    interpreter(dictionary, damaged).fit(acts)
    assert damaged.n_calls == clients[0].n_calls


@pytest.mark.parametrize("limit", [{"max_calls": 10}, {"max_tokens": 1000}])
def test_budget_stops_and_the_run_goes_on(planted, fitted, tmp_path, limit):
    acts, dictionary = planted
    reader = Reader()
    client = ManagedClient(reader, cache_dir=tmp_path, n_threads=1, **limit)
    with pytest.warns(UserWarning, match="the budget was spent before . of 4 features"):
        stopped = interpreter(dictionary, client).fit(acts)
    assert len(reader.asked) == client.n_calls <= 10
    assert stopped.counts_["n_stopped"] == (stopped.status_ == "stopped").sum() > 0
    assert stopped.counts_["n_failed"] == 0
    assert np.isnan(stopped.scores_[stopped.status_ == "stopped"]).all()
    more = ManagedClient(reader, cache_dir=tmp_path, n_threads=1)
    resumed = interpreter(dictionary, more).fit(acts)
    assert np.array_equal(resumed.scores_, fitted.scores_, equal_nan=True)
    # Nothing was paid twice.
    assert len(reader.asked) == len(set(reader.asked)) == client.n_calls + more.n_calls
    with pytest.raises(BudgetSpentError, match="spent"):
        client.complete(Request((("user", "one more"),)))


def test_only_models_told_apart_are_cached(tmp_path):
    with pytest.raises(ValueError, match="give it an attribute identity"):
        ManagedClient(lambda request: "yes", cache_dir=tmp_path)
    other, reader = Reader(), Reader()
    other.identity = "another"
    request = Request((("user", "Feature 1\n a\t10\nSay what"),))
    for client in (other, reader, reader):
        ManagedClient(client, cache_dir=tmp_path).complete(request)
    assert len(other.asked) == len(reader.asked) == 1


def test_a_bare_function_is_asked_once_for_equal_windows(planted):
    reader = Reader()
    simulator = LLMSimulator(reader)
    explanation = LLMExplainer(lambda request: "Fires on: the token ' w3'").explain_records(
        [Record(0, 0, np.array([3, 4]), np.array([1.0, 0.0]))], VOCABULARY
    )
    window = Record(1, 0, np.array([4, 3, 5]), np.zeros(3))
    first, second = (simulator.simulate(explanation, [window], VOCABULARY)[0] for _ in range(2))
    assert np.array_equal(first, second) and len(reader.asked) == 1
    simulator.set_params(client=Reader())
    simulator.simulate(explanation, [window], VOCABULARY)
    assert len(simulator.client.asked) == 1


def test_free_words_stand_for_no_rules(planted, fitted):
    with pytest.raises(ValueError, match="use LLMSimulator"):
        fitted.explanations_[0].predict(planted[0])


def test_threads_keep_to_the_budget():
    client = ManagedClient(lambda request: "yes", max_calls=7, n_threads=8)

    def ask(i):
        try:
            return client.complete(Request((("user", str(i)),))).text
        except BudgetSpentError:
            return None

    found = client.map(ask, range(40))
    assert found.count("yes") == client.n_calls == 7


def test_retries_wait_longer_each_time(monkeypatch):
    waits = []
    monkeypatch.setattr("skdict._llm._managed_client.time.sleep", waits.append)
    faults = [ClientError("429", transient=True), ClientError("429", transient=True, retry_after=9)]

    def client(request):
        if faults:
            raise faults.pop(0)
        return "yes"

    managed = ManagedClient(client, backoff=0.5)
    assert managed.complete(Request((("user", "?"),))).text == "yes"
    assert waits == [0.5, 9] and managed.n_retries == 2 and managed.n_calls == 1


@pytest.mark.parametrize("asked", [94_608_000, 1e300, math.inf])
def test_waits_are_capped_and_that_is_said(monkeypatch, asked):
    waits = []
    monkeypatch.setattr("skdict._llm._managed_client.time.sleep", waits.append)
    faults = [ClientError("429", transient=True, retry_after=asked) for _ in range(3)]

    def client(request):
        if faults:
            raise faults.pop(0)
        return "yes"

    managed = ManagedClient(client)
    with pytest.warns(UserWarning, match="asks to wait .* waits at most 60 s") as caught:
        assert managed.complete(Request((("user", "?"),))).text == "yes"
    assert waits == [60, 60, 60] and len(caught) == 1


@pytest.mark.parametrize("asked", [math.nan, "soon", -5.0, None])
def test_waits_that_mean_nothing_are_ignored(monkeypatch, asked):
    waits = []
    monkeypatch.setattr("skdict._llm._managed_client.time.sleep", waits.append)

    def client(request):
        raise ClientError("429", transient=True, retry_after=asked)

    with pytest.raises(ClientError):
        ManagedClient(client, max_retries=3, backoff=2).complete(Request((("user", "?"),)))
    assert waits == [2, 4, 8]


def test_calibration(planted):
    acts, dictionary = planted
    scores = {}
    for method in (None, "linear", "quantile"):
        simulator = LLMSimulator(Reader(), control=False, calibration=method)
        explainer = LLMExplainer(Reader(), window=16)
        found = FeatureInterpreter(
            dictionary, explainer=explainer, simulator=simulator, **SAMPLED
        ).fit(acts)
        scores[method] = [found.simulations_[j].scores() for j in range(3)]
        assert np.isnan(found.report_["shuffled"])
    for j in range(3):
        plain, linear = scores[None][j]["correlation"], scores["linear"][j]["correlation"]
        assert abs(linear) == pytest.approx(abs(plain))
    # Planted features are told apart exactly, so calibrated predictions are their codes.
    for method in ("linear", "quantile"):
        for j in range(2):
            assert scores[method][j] == pytest.approx(
                {"correlation": 1, "explained_square": 1, "explained_deviation": 1}
            )
    assert scores[None][0]["explained_square"] < 0


def test_calibrated_square_is_the_squared_correlation():
    from skdict.interpretation.simulators._calibration import linear_map, quantile_map

    rng = np.random.default_rng(0)
    predicted = rng.random(500)
    codes = 3 + 2 * predicted + rng.normal(size=500)
    fitted = linear_map(predicted, codes)(predicted)
    r2 = 1 - np.square(codes - fitted).sum() / np.square(codes - codes.mean()).sum()
    assert r2 == pytest.approx(np.corrcoef(predicted, codes)[0, 1] ** 2)
    mapped = quantile_map(predicted, codes)(predicted)
    assert np.sort(mapped) == pytest.approx(np.sort(codes))
    assert np.array_equal(np.argsort(mapped), np.argsort(predicted))


def test_paper_preset(planted):
    table = text(120, 80, 12)
    ids = table[2]
    codes = np.zeros((len(ids), 3))
    codes[:, 0], codes[:, 1] = 2.0 * (ids == 3), ids == 5
    codes[np.flatnonzero(ids == 7)[:12], 2] = 1
    acts, dictionary = as_activations(codes, *table)
    reader = Reader()
    parameters = cunningham2023(reader) | {"random_state": 0}
    found = FeatureInterpreter(dictionary, **parameters).fit(acts)
    assert found.protocol_ == "cunningham2023" and found.features_.tolist() == [0, 1, 2]
    # The third fires in fewer than 20 fragments.
    assert found.status_.tolist() == ["scored", "scored", "insufficient"]
    assert found.scores_[:2] == pytest.approx([1, 1])
    explains = [r for r in reader.asked if "Say what" in r.messages[-1][1]]
    assert [r.temperature for r in explains] == [1.0, 1.0] and len(explains) == 2
    for request in explains:
        assert request.max_tokens == 60 and request.messages[-1][1].count("Text:") == 5
    for j in range(2):
        records = found.simulations_[j].records
        assert [len(r.token_ids) for r in records] == [64] * 10
        assert all((r.codes > 0).any() for r in records)
    measures = InterpretabilityScorer(**parameters).measure(dictionary, acts)
    assert measures == pytest.approx(found.report_, nan_ok=True)
    assert found.score(acts) == pytest.approx(1)


def test_paper_deals_fragments_in_turn():
    from skdict.inspection import FeatureRecords
    from skdict.inspection.evidence._fragments import _dealt

    records = FeatureRecords(0, [f"t{i}" for i in range(1, 21)], [f"r{i}" for i in range(1, 21)],
                             [], [])  # fmt: skip
    evidence = _dealt(records)
    assert evidence["explain"] == ["t1", "t5", "t9", "t13", "t17"]
    assert evidence["test"] == [f"t{i}" for i in (3, 7, 11, 15, 19)] + [
        f"r{i}" for i in (2, 5, 8, 11, 14)
    ]
    assert not set(evidence["explain"] + evidence["test"]) & set(evidence["select"])


def test_offline_explanations_may_be_simulated(planted):
    acts, dictionary = planted
    seen = []

    def client(request):
        seen.append(request.messages[-1][1])
        return '{"levels": [0]}'

    simulator = LLMSimulator(client, method="json", n_attempts=1, control=False)
    found = FeatureInterpreter(
        dictionary, explainer=LexiconExplainer(1), simulator=simulator, **SAMPLED
    ).fit(acts)
    assert 'Fires on: fires on "w3"' in seen[0]
    assert set(found.status_[:3]) == {"failed"}
    assert "1 levels for 16 tokens" in found.failures_[0].reason


def test_what_does_not_go_together(planted):
    acts, dictionary = planted
    explainer, simulator = LLMExplainer(Reader()), LLMSimulator(Reader())
    with pytest.raises(ValueError, match="needs a simulator"):
        FeatureInterpreter(dictionary, explainer=explainer).fit(acts)
    with pytest.raises(ValueError, match="every token"):
        FeatureInterpreter(dictionary, explainer=explainer, simulator=simulator).fit(acts)
    with pytest.raises(TypeError, match="pass a simulator"):
        FeatureInterpreter(dictionary, explainer=explainer, simulator=3, **SAMPLED).fit(acts)
    for wrong in ([explainer, NGramExplainer()], None):
        if wrong is None:
            options = SAMPLED | {"sampling": "cunningham2023"}
        else:
            options = SAMPLED
        with pytest.raises(TypeError, match="pass one explainer"):
            FeatureInterpreter(dictionary, explainer=wrong, simulator=simulator, **options).fit(
                acts
            )
    with pytest.raises(TypeError, match=r"client=3 is not accepted"):
        FeatureInterpreter(dictionary, explainer=LLMExplainer(3), simulator=simulator,
                           **SAMPLED).fit(acts)  # fmt: skip
    with pytest.raises(ValueError, match="method='guess'"):
        interpreter(dictionary, Reader(), "guess").fit(acts)
    nameless, _ = as_activations(np.asarray(acts), acts.documents, acts.positions,
                                 acts.token_ids, vocabulary=None)  # fmt: skip
    with pytest.raises(ValueError, match="no vocabulary"):
        interpreter(dictionary, Reader()).fit(nameless)


def test_clones_share_the_client(planted):
    for client in (ManagedClient(len), Reader()):
        other = clone(interpreter(planted[1], client))
        assert other.explainer.client is other.simulator.client is client
    again = pickle.loads(pickle.dumps(ManagedClient(len)))
    assert again.client.function is len and again.map(str, [1]) == ["1"]
