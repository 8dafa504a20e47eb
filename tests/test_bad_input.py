"""Bad input of every kind: the message names the parameter and what is accepted."""

import datetime

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.decomposition import PCA

from skdict import (
    Activations,
    FeatureInterpreter,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    sparse_dictionary_path,
    write_report,
)
from skdict.datasets import make_sparse_features
from skdict.decomposition import TopKDictionary
from skdict.inspection import InputHistogramDisplay, summarize_features
from skdict.interpretation import DetectionScorer, LLMExplainer, LLMJudge, LLMSimulator
from skdict.interpretation.llm import ManagedClient, OpenAIClient
from skdict.interpretation.ratings import write_rating_sheet
from skdict.io import save_dictionary
from skdict.metrics import l0

ROWS = np.random.default_rng(0).standard_normal((40, 6)).astype("f4")
ACTS = Activations(
    ROWS,
    documents=np.repeat(np.arange(4), 10),
    positions=np.tile(np.arange(10), 4),
    token_ids=np.tile(np.arange(10), 4),
    vocabulary=[f" w{i}" for i in range(10)],
)
RANDOM = RandomDictionary(8, random_state=0).fit(ROWS)
CODES = RANDOM.transform(ROWS)
NOT_MADE = "/proc/skdict/out"
WORDS = {"sampling": "top", "window": 4}


def sae(**options):
    return lambda: SparseDictionaryAutoencoder(4, **options).fit(ROWS)


def rows(X):
    return lambda: SparseDictionaryAutoencoder(4, max_iter=1).fit(X)


def topk(*given, **options):
    return lambda: TopKDictionary(*given, **options).fit(ROWS)


def decode(codes):
    return lambda: RANDOM.inverse_transform(codes)


def report(path="page.html", **options):
    return lambda: write_report(path, RANDOM, ACTS, verbose=False, **options)


def summary(features):
    return lambda: summarize_features(CODES, ACTS, features)


def words(explainer=None, simulator=None, **options):
    """Explain in words, with a client that must not be asked before all is checked."""
    explainer = explainer or LLMExplainer(unasked)
    simulator = simulator or LLMSimulator(unasked)
    return lambda: FeatureInterpreter(
        RANDOM, explainer=explainer, simulator=simulator, **(WORDS | options)
    ).fit(ACTS)


def unasked(request):
    raise AssertionError("asked before the parameters were checked")


def sheet(**options):
    given = {"vocabulary": ACTS.vocabulary, "rater": "anna", "key": "key.json"} | options
    return lambda: write_rating_sheet("sheet.csv", {}, **given)


def with_value(value):
    codes = np.ones((2, 8), "f4")
    codes[1, 3] = value
    return codes


BACKWARD = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2020-01-02"]), "b": [1.0, 2.0]})
RAGGED = [[1.0, 2.0], [3.0]]
# ruff: noqa: E501
# What is done, the error, and the words that the message holds: the parameter or what was passed,
# and what is accepted.
CASES = {
    "seed a word": (sae(random_state="x"), ValueError, "random_state='x'", "an integer from 0"),
    "seed below 0": (sae(random_state=-1), ValueError, "random_state=-1", "an integer from 0"),
    "seed true": (sae(random_state=True), TypeError, "random_state=True", "an integer from 0"),
    "seed too large": (sae(random_state=2**40), ValueError, "random_state=10995", "4294967295"),
    "seed a new generator": (sae(random_state=np.random.default_rng(0)), ValueError, "random_state=Generator", "RandomState"),
    "seed of directions": (lambda: RandomDictionary(random_state="x").fit(ROWS), ValueError, "random_state='x'", "RandomState"),
    "seed of a path": (lambda: sparse_dictionary_path(ROWS, [0.1], random_state="x"), ValueError, "random_state='x'", "RandomState"),
    "seed of planted data": (lambda: make_sparse_features(10, random_state="x"), ValueError, "random_state='x'", "RandomState"),
    "seed of planted data below 0": (lambda: make_sparse_features(10, random_state=-1), ValueError, "random_state=-1", "RandomState"),
    "seed of an interpreter": (lambda: FeatureInterpreter(RANDOM, random_state="x").fit(ACTS), ValueError, "random_state='x'", "RandomState"),
    "rate infinite": (sae(learning_rate=np.inf), ValueError, "learning_rate=inf", "a number > 0 and <= 1"),
    "rate a million": (sae(learning_rate=1e6), ValueError, "learning_rate=1000000.0", "<= 1"),
    "rate a word": (sae(learning_rate="fast"), TypeError, "learning_rate='fast'", "a number > 0"),
    "batch of half a row": (sae(batch_size=0.5), TypeError, "batch_size=0.5", "an integer >= 1"),
    "batch of 10^400 rows": (sae(batch_size=10**400), ValueError, "batch_size=1000", "must be finite"),
    "alpha nan": (sae(alpha=np.nan), ValueError, "alpha=nan", "a number >= 0; 0.1 is a start"),
    "alpha a list": (sae(alpha=[0.1]), TypeError, "alpha=[0.1]", "a number >= 0"),
    "a flag of text": (sae(center="false"), TypeError, "center='false'", "True or False"),
    "a flag of numbers": (sae(rescale=2), TypeError, "rescale=2", "True or False"),
    "an array for a choice": (sae(bias_init=np.array(["zeros", "calibrated"])), ValueError, "bias_init=array", "'calibrated', 'zeros'"),
    "directions of ragged lists": (sae(dict_init=RAGGED), ValueError, "dict_init is a nested list", "rows of equal length"),
    "directions of text": (sae(dict_init=[["a"]]), ValueError, "dict_init contains text", "floats or integers"),
    "ragged lists": (rows(RAGGED), ValueError, "X is a nested list whose rows differ", "row 0 has 2 and row 1 has 1"),
    "lists of different depth": (rows([[1.0, 2.0], 3.0]), ValueError, "row 1 is a scalar", "two-dimensional array"),
    "text": (rows([["1", "2"], ["3", "4"]]), ValueError, "X contains text", "floats or integers"),
    "text among numbers": (rows(np.array([[1, "2"], [3, 4]], object)), ValueError, "X contains text", "floats or integers"),
    "bytes": (rows(np.array([[b"1"], [b"2"]])), ValueError, "X contains bytes", "floats or integers"),
    "dates": (rows(np.array([["2020-01-01"], ["2021-01-01"]], "M8[D]")), ValueError, "X contains dates", "floats or integers"),
    "durations": (rows(np.array([[1], [2]], "m8[s]")), ValueError, "X contains durations", "floats or integers"),
    "dates of Python": (rows([[datetime.datetime(2020, 1, 1)]] * 2), ValueError, "X contains dates", "floats or integers"),
    "dates in a frame": (rows(BACKWARD), ValueError, "X contains dates", "floats or integers"),
    "dates to encode": (lambda: RANDOM.transform(BACKWARD), ValueError, "X contains dates", "floats or integers"),
    "no dictionary": (topk(3), TypeError, "dictionary=3", "TopKDictionary(PCA(), k=8)"),
    "a class": (topk(PCA, 3), TypeError, "dictionary=<class", "pass an estimator"),
    "no k": (topk(PCA(2)), TypeError, "k=None", "an integer >= 1; the number of codes to keep per row"),
    "codes nan": (decode(with_value(np.nan)), ValueError, "codes contains NaN: first at row 1, column 3", "replace"),
    "codes infinite": (decode(with_value(-np.inf)), ValueError, "codes contains infinity", "replace"),
    "sparse codes nan": (decode(scipy.sparse.csr_array(with_value(np.nan))), ValueError, "codes contains NaN: first at row 1, column 3", "replace"),
    "codes ragged": (decode(RAGGED), ValueError, "codes is a nested list", "rows of equal length"),
    "codes dates": (decode(np.zeros((2, 8), "M8[s]")), ValueError, "codes contains dates", "floats or integers"),
    "codes to count ragged": (lambda: l0(RAGGED), ValueError, "codes is a nested list", "rows of equal length"),
    "codes to show ragged": (lambda: InputHistogramDisplay.from_codes(RAGGED, ACTS, 0), ValueError, "codes is a nested list", "rows of equal length"),
    "features twice": (summary([3, 3]), ValueError, "features contains 3 more than once", "distinct integers"),
    "features twice apart": (summary([3, 5, 3]), ValueError, "features contains 3 more than once", "distinct integers"),
    "features beyond": (summary([3, 8]), ValueError, "features contains 8, which does not exist", "from 0 to 7"),
    "features below 0": (summary([-1]), ValueError, "features contains -1, which does not exist", "from 0 to 7"),
    "features of text": (summary("35"), TypeError, "features='35'", "a list of distinct integers from 0 to 7"),
    "features a number": (summary(3), TypeError, "features=3", "a list of distinct integers from 0 to 7"),
    "features a mask": (summary([True, False]), TypeError, "features=True", "a list of distinct integers"),
    "page of features twice": (report(features=[3, 5, 3]), ValueError, "features contains 3 more than once", "distinct integers"),
    "page onto a folder": (report("."), ValueError, "path='.' is a folder", "pass a file, such as"),
    "page nowhere": (report(NOT_MADE), ValueError, f"path='{NOT_MADE}' cannot be written", "choose another path"),
    "page of a number": (report(3), TypeError, "path=3", "str or pathlib.Path"),
    "scores of text": (report(scores={"feature": [0], "score": ["0.5"]}), TypeError, "the column score of scores contains '0.5'", "pass numbers"),
    "scores of no feature": (report(scores={"feature": [99], "score": [0.5]}), ValueError, "feature of scores contains 99", "from 0 to 15"),
    "scores twice": (report(scores={"feature": [1, 1], "score": [0.5, 0.6]}), ValueError, "contains 1 more than once", "distinct integers"),
    "scores of named features": (report(scores={"feature": ["a"], "score": [0.5]}), TypeError, "feature of scores='a'", "integers"),
    "scores a list": (report(scores=[0.1]), TypeError, "scores is list", "a dict of columns"),
    "effects of no feature": (report(effects={"feature": [99], "token": ["a"], "effect": [1.0]}), ValueError, "feature of effects contains 99", "from 0 to 15"),
    "effects of text": (report(effects={"feature": [0], "token": ["a"], "effect": ["1"]}), TypeError, "effect of effects contains '1'", "pass numbers"),
    "page of no tokens": (report(window=0), ValueError, "window=0", "an integer >= 1"),
    "metadata an object": (lambda: save_dictionary(RANDOM, "out", metadata={"a": object()}), TypeError, "metadata['a'] is <object", "lists and dicts"),
    "metadata a list": (lambda: save_dictionary(RANDOM, "out", metadata=[1]), TypeError, "metadata=[1]", "pass a dict"),
    "simulator's method": (words(simulator=LLMSimulator(unasked, method="guess")), ValueError, "method='guess'", "'all_at_once', 'token_by_token', 'json'"),
    "simulator's control": (words(simulator=LLMSimulator(unasked, control="no")), TypeError, "control='no'", "True or False"),
    "simulator's client": (words(simulator=LLMSimulator(3)), TypeError, "client=3", "an object with complete(request)"),
    "calibration": (words(simulator=LLMSimulator(unasked, calibration="cubic")), ValueError, "calibration='cubic'", "'linear', 'quantile'"),
    "explainer's examples": (words(LLMExplainer(unasked, n_examples=0)), ValueError, "n_examples=0", "an integer >= 1"),
    "explainer's shots": (words(LLMExplainer(unasked, n_shots=9)), ValueError, "n_shots=9", "<= 3"),
    "judge's attempts": (lambda: DetectionScorer(LLMJudge(unasked, n_attempts=0)).measure(RANDOM, ACTS), ValueError, "n_attempts=0", "an integer >= 1"),
    "retries": (lambda: ManagedClient(unasked, max_retries=-1), ValueError, "max_retries=-1", "an integer >= 0"),
    "an address without a scheme": (lambda: OpenAIClient("m", base_url="localhost:8000"), ValueError, "base_url='localhost:8000'", "http://"),
    "a model without a name": (lambda: OpenAIClient(" "), ValueError, "model=' '", "the endpoint's name"),
    "options a list": (lambda: OpenAIClient("m", options=["seed"]), TypeError, "options=['seed']", "pass a dict"),
    "a rater without a name": (sheet(rater=" "), ValueError, "rater=' '", "the name of one person"),
    "a key onto a folder": (sheet(key="."), ValueError, "key='.' is a folder", "pass a file"),
    "a sheet's duplicates": (sheet(duplicates=2), ValueError, "duplicates=2", "a number >= 0 and <= 1"),
}  # fmt: skip


def test_there_are_enough_cases():
    assert len(CASES) >= 60


@pytest.mark.parametrize("kind", CASES)
def test_messages_name_the_parameter_and_what_is_accepted(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    act, error, passed, accepted = CASES[kind]
    with pytest.raises((TypeError, ValueError)) as caught:
        act()
    assert type(caught.value) is error
    message = str(caught.value)
    assert passed in message and accepted in message
    assert len(message) < 500 and "\n" not in message
    assert not list(tmp_path.iterdir())
