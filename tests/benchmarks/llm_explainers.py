"""A language model explains, simulates and judges features, beside the explainers without one.

The same features, which fire in enough windows for the protocol of delphi, are explained by
rules, by the protocol of Cunningham et al. (2023) and by that of delphi. The rules are scored on
all tokens of held-out documents and on the windows that the language model is scored on, and the
language model also judges what the rules say.

Run: python tests/benchmarks/llm_explainers.py STORE DICTIONARY --model smollm2 [--n-features 20]
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from skdict import Activations, FeatureInterpreter
from skdict.datasets import fetch_smollm2
from skdict.interpretation import (
    ContextExplainer,
    DetectionScorer,
    FuzzingScorer,
    LLMJudge,
    cunningham2023,
    delphi,
)
from skdict.interpretation.llm import ManagedClient, TransformersClient
from skdict.io import load_dictionary

WINDOW, FEWEST_WINDOWS = 32, 250
KINDS = DetectionScorer, FuzzingScorer


class SomeFeatures(BaseEstimator):
    """A fitted dictionary that has some features of another one."""

    def __init__(self, dictionary, features):
        self.dictionary, self.features = dictionary, features
        self.components_ = dictionary.components_[features]

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Return the codes of the features."""
        return self.dictionary.transform(X).tocsc()[:, self.features].tocsr()

    def inverse_transform(self, codes):
        """Return the part of the rows that the features explain."""
        return codes @ self.components_


def frequent_features(dictionary, acts, n_features):
    """Return features that fire in many windows, drawn with seed 0."""
    codes = dictionary.transform(acts).tocoo()
    places = np.stack([acts.documents, acts.positions // WINDOW])
    _, window = np.unique(places, axis=1, return_inverse=True)
    features, _ = np.unique(np.stack([codes.col, window[codes.row]]), axis=1)
    counts = np.bincount(features, minlength=codes.shape[1])
    found = np.flatnonzero(counts >= FEWEST_WINDOWS)
    return np.sort(np.random.default_rng(0).permutation(found)[:n_features])


def main():
    """Explain the features in all ways and print and save the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--n-features", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("llm_explainers"))
    args = parser.parse_args()
    acts, dictionary = Activations.load(args.store), load_dictionary(args.dictionary)
    features = frequent_features(dictionary, acts, args.n_features)
    some = SomeFeatures(dictionary, features)
    model = fetch_smollm2().model if args.model == "smollm2" else args.model
    client = ManagedClient(TransformersClient(model), cache_dir=args.out / "replies")
    options = {"sign": "positive", "random_state": 0}
    results = {"features": features.tolist(), "n_tokens": len(acts)}
    for name, params in {
        "rules, all tokens": options,
        "rules, top and random windows": options | {"sampling": "top_and_random"},
        "cunningham2023": cunningham2023(client) | {"n_features": None, "random_state": 0},
    }.items():
        start = time.perf_counter()
        found = FeatureInterpreter(some, **params).fit(acts)
        results[name] = found.report_ | {
            "scores": found.scores_.tolist(),
            "explanations": [e and e.text for e in found.explanations_],
            "seconds": time.perf_counter() - start,
        }
        report(args.out, results, name)
    shared = {"n_features": None, "random_state": 0}
    judge = LLMJudge(client, n_attempts=1)
    on_rules = [kind(judge, explainer=ContextExplainer(), **shared) for kind in KINDS]
    for name, scorers in {"delphi": delphi(client, **shared), "rules": on_rules}.items():
        for scorer in scorers:
            start = time.perf_counter()
            measures = scorer.set_params(sign="positive", control=True).measure(some, acts)
            label = f"{name}, {scorer.task}"
            results[label] = measures | {"seconds": time.perf_counter() - start}
            report(args.out, results, label)


def report(folder, results, name):
    """Print the numbers of a study, and save all results."""
    numbers = {k: round(v, 3) for k, v in results[name].items() if isinstance(v, (int, float))}
    print(f"{name}: {numbers}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1, default=float))


if __name__ == "__main__":
    main()
