"""Scores, explanations, verdicts and pages of fixed codes of the bundled model.

Rows are activations of the bundled model (`resid_post.1`, 38 stories), rounded to whole numbers,
and the encoder is a fitted dictionary's, rounded too. Every code is therefore a whole number, the
same on every machine, and results can be compared to the last digits.

Run: python -m tests.reference.results   (writes results.json anew)
"""

import hashlib
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator

from skdict import (
    ActivationExtractor,
    Activations,
    FeatureInterpreter,
    FeatureStatistics,
    IdentityDictionary,
    InterpretabilityScorer,
    load_stories,
    write_report,
)
from skdict.inspection import collect_records
from skdict.interpretation import (
    DetectionScorer,
    FuzzingScorer,
    IntruderScorer,
    LLMExplainer,
    LLMJudge,
    LLMSimulator,
    cunningham2023,
    delphi,
)
from skdict.interpretation.llm import Completion
from skdict.interpretation.ratings import write_rating_sheet
from skdict.metrics import compare_dictionaries

FOLDER = Path(__file__).parent
FILE = FOLDER / "results.json"


class WholeNumberDictionary(BaseEstimator):
    """A fitted dictionary of whole numbers: relu(x W' + b), decoded by W."""

    def __init__(self, encoder, bias):
        self.encoder, self.bias = encoder, bias
        self.components_ = encoder.astype(np.float64)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Return codes, exact in float64."""
        codes = np.asarray(X, dtype=np.float64) @ self.components_.T + self.bias
        return scipy.sparse.csr_array(np.maximum(codes, 0).astype(np.float32))

    def inverse_transform(self, codes):
        """Return rows."""
        return codes @ self.components_ / 4096


def load():
    """Return the rows with their tokens, and the dictionary."""
    stories = load_stories()
    vocabulary = (
        ActivationExtractor(stories.model, "resid_post.1")
        .fit_transform(stories.texts[:1])
        .vocabulary
    )
    with np.load(FOLDER / "rows.npz") as stored:
        table = {
            name: stored[name].astype(np.int64) for name in ("documents", "positions", "token_ids")
        }
        # Without vectors: classes of tokens could differ between machines in their last bits.
        acts = Activations(stored["rows"].astype(np.float32), vocabulary=list(vocabulary), **table)
        return acts, WholeNumberDictionary(stored["encoder"], stored["encoder_bias"].astype(float))


def scripted(request):
    """Explain by the strongest token; predict and judge from spellings, by fixed rules."""
    last = request.messages[-1][1]
    if "Say what" in last:
        lines = [line.split("\t") for line in last.splitlines() if "\t" in line]
        strongest = max(lines, key=lambda line: int(line[1]))[0].strip()
        return Completion(f"Fires on: tokens like {strongest or 'blanks'}!", None, 100, 10)
    named = re.findall(r"tokens like (.*?)!", request.text)
    letters = set(named[-1]) if named else set("aeiou")
    if "Fires on" in last and request.json and "\t" in last:
        tokens = [line.split("\t")[1] for line in last.splitlines() if "\t" in line]
        levels = [min(10, 3 * len(letters & set(token))) for token in tokens]
        return Completion(json.dumps({"levels": levels}), None, 100, 30)
    pieces = [line for line in last.splitlines() if re.match(r"\w+ ?\d+|\d+", line)]
    marked = ["".join(re.findall("<<(.*?)>>", piece)) or piece for piece in pieces]
    if not named:
        sizes = [len(letters & set(piece)) for piece in marked]
        return Completion(json.dumps({"intruder": int(np.argmin(sizes)) + 1}), None, 100, 5)
    answers = [int(letters <= set(piece)) for piece in marked]
    return Completion(json.dumps({"answers": answers}), None, 100, 5)


def interpretations(acts, dictionary):
    """Return explanations and scores by every way of making and testing them."""
    neurons = IdentityDictionary().fit(acts)
    llm = {
        "explainer": LLMExplainer(scripted, window=16),
        "simulator": LLMSimulator(scripted, method="json"),
        "sampling": "top_and_random",
        "window": 16,
    }
    simulator = LLMSimulator(scripted, method="json", calibration="linear")
    calibrated = llm | {"simulator": simulator}
    paper = cunningham2023(scripted, method="json") | {"n_features": 20, "order": "random"}
    ways = {
        "rules": (dictionary, {"n_features": 40}),
        "neurons": (neurons, {"n_features": 30}),
        "sampled": (dictionary, {"n_features": 40, "sampling": "top_and_random", "window": 16}),
        "random windows": (neurons, {"n_features": 12, "sampling": "random", "sign": "positive"}),
        "first": (dictionary, {"n_features": 25, "order": "index", "nan_policy": "omit"}),
        "all": (dictionary, {}),
        "llm": (dictionary, llm | {"n_features": 15}),
        "calibrated": (dictionary, calibrated | {"n_features": 15}),
        "paper": (dictionary, paper),
    }
    return {
        name: _interpreted(FeatureInterpreter(one, random_state=0, **options).fit(acts), acts)
        for name, (one, options) in ways.items()
    }


def _interpreted(fitted, acts):
    return {
        "features": fitted.features_.tolist(),
        "explanations": [None if e is None else str(e) for e in fitted.explanations_],
        "scores": fitted.scores_.tolist(),
        "status": fitted.status_.tolist(),
        "report": fitted.report_,
        "score": fitted.score(acts),
        "simulations": {str(j): s.scores() for j, s in fitted.simulations_.items()},
    }


def verdicts(acts, dictionary):
    """Return the measures of judges, with rules and with a language model."""
    neurons = IdentityDictionary().fit(acts)
    options = {"n_features": 15, "window": 12, "n_positive": 20, "n_negative": 20}
    intruder = {"n_features": 15, "window": 12, "n_trials": 8}
    judged = {"judge": LLMJudge(scripted), "explainer": LLMExplainer(scripted, window=12)}
    scorers = {
        "detection": (DetectionScorer(**options), dictionary),
        "detection, hard": (
            DetectionScorer(**options, negatives="hard", metric="auroc"), dictionary,
        ),
        "fuzzing": (FuzzingScorer(**options), dictionary),
        "fuzzing, hard": (FuzzingScorer(**options, negatives="hard"), dictionary),
        "intruder": (IntruderScorer(**intruder), dictionary),
        "intruder, hard": (IntruderScorer(**intruder, negatives="hard"), neurons),
        "llm detection": (DetectionScorer(**options, **judged), dictionary),
        "llm fuzzing": (FuzzingScorer(**options, **judged), neurons),
        "llm intruder": (IntruderScorer(LLMJudge(scripted), **intruder), dictionary),
    }  # fmt: skip
    for scorer in delphi(scripted, n_features=8):
        scorer.set_params(window=4, control=True)
        scorers[f"delphi {scorer.task}"] = scorer, neurons
    return {
        name: {
            "measures": scorer.measure(one, acts),
            "features": scorer.measure_features(one, acts),
        }
        for name, (scorer, one) in scorers.items()
    }


def tables(acts, dictionary):
    """Return a comparison, as compare_dictionaries makes it."""
    scorers = [InterpretabilityScorer(n_features=20), DetectionScorer(n_features=8, window=12)]
    dictionaries = {"whole": dictionary, "neurons": IdentityDictionary().fit(acts)}
    records = compare_dictionaries(dictionaries, acts, acts, scorers=scorers).records
    # Reconstruction is measured in float32, which machines round differently.
    kept = ("dictionary", "interpretability", "context_gain", "shuffled", "detection", "n_")
    return [{k: v for k, v in record.items() if k.startswith(kept)} for record in records]


def pages(acts, dictionary):
    """Return hashes of a report's data, a rating sheet and its key, and of drawn windows."""
    folder = Path(tempfile.mkdtemp())
    interpreter = FeatureInterpreter(dictionary, n_features=20, random_state=0).fit(acts)
    found = {}
    for name, one in {"whole": dictionary, "neurons": IdentityDictionary().fit(acts)}.items():
        scores = interpreter if name == "whole" else None
        write_report(folder / "page.html", one, acts, scores=scores, verbose=False)
        text = (folder / "page.html").read_text(encoding="utf-8")
        found[f"report {name}"] = digest(
            re.search(r"(?s)<script[^>]*json[^>]*>(.*?)</script>", text)[1]
        )
    codes = dictionary.transform(acts)
    kinds = {"n_top": 4, "n_random": 5, "n_importance": 3, "n_silent": 4}
    records = collect_records(codes, acts, window=16, **kinds)
    found["records"] = digest(
        [
            [kind, r.document, r.position, r.token_ids.tolist(), r.codes.tolist()]
            for own in records
            for kind in ("top", "random", "importance", "silent")
            for r in getattr(own, kind)
        ]
    )
    write_rating_sheet(
        folder / "anna.csv", {"whole": records[:12]}, vocabulary=acts.vocabulary, rater="anna",
        key=folder / "key.json",
    )  # fmt: skip
    for name in ("anna.csv", "key.json"):
        found[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    statistics = FeatureStatistics.from_estimator(dictionary, acts).to_dict()
    found["statistics"] = {name: np.asarray(column).tolist() for name, column in statistics.items()}
    return found


def digest(value):
    """Return a hash of what fits in JSON."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def reference_results():
    """Return all results, as JSON holds them."""
    acts, dictionary = load()
    parts = (interpretations, verdicts, tables, pages)
    found = {part.__name__: part(acts, dictionary) for part in parts}
    return json.loads(json.dumps(found, default=float))


if __name__ == "__main__":
    FILE.write_text(json.dumps(reference_results(), indent=0) + "\n")
