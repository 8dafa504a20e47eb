"""`skdict demo`: from texts to readable features in under a minute."""

import argparse
import json
import sys
import textwrap
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from skdict._core import resolve_device
from skdict._files import replace_file
from skdict._validation import check_number
from skdict.datasets import load_stories
from skdict.decomposition import RandomDictionary, SparseDictionaryAutoencoder
from skdict.feature_extraction import ActivationExtractor
from skdict.inspection import summarize_features, write_report
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer
from skdict.metrics import compare_dictionaries
from skdict.models import hook_points, load_model

DESCRIPTION = """\
Read the activations of a language model on texts, learn a sparse dictionary of them, compare
it with PCA and random directions, and show in which contexts a few of its features fire and
how they are explained. A page to open in a browser has all of them.

With no option it uses the bundled model and stories, needs no network, and takes less than a
minute on two cores. A fifth of the texts is held out; every figure printed is on those.
"""
SEPARATOR = "<|endoftext|>"
SHOWN_FEATURES = 8
FEWEST_FIRINGS = 50
EXPLAINED_FEATURES = 150


def add_parser(commands):
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="texts in, a sparse dictionary, readable features out",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        metavar="NAME_OR_FOLDER",
        help="a model on the Hugging Face hub or a folder (default: the bundled one)",
    )
    parser.add_argument(
        "--texts",
        metavar="FILE",
        type=Path,
        help=f"texts in UTF-8, separated by lines {SEPARATOR}, or else by empty lines "
        "(default: the bundled stories)",
    )
    parser.add_argument(
        "--hook-point",
        metavar="PLACE",
        help="where to read, such as resid_post.2: the residual stream after block 2, counted "
        "from 0 (default: after the middle block)",
    )
    parser.add_argument(
        "--n-components",
        metavar="N",
        type=int,
        help="features in the dictionary (default: 4 times the model's width)",
    )
    parser.add_argument(
        "--alpha",
        metavar="A",
        type=float,
        default=0.1,
        help="sparsity penalty, 0.02 to 0.5: larger means fewer features fire at once "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=Path("skdict-demo"),
        help="where results are written (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:0 (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON, and nothing else"
    )
    parser.set_defaults(run=run)


def run(options):
    """Do it all and print what came out."""
    _check(options)
    clock = Clock(silent=options.json)
    bundled = load_stories()
    texts = bundled.texts if options.texts is None else read_texts(options.texts)
    model = bundled.model if options.model is None else options.model
    hook_point = options.hook_point or middle_hook_point(model, options.device)
    extractor = ActivationExtractor(model, hook_point, device=options.device)
    train, test = _extract(extractor, texts, clock)
    sae = SparseDictionaryAutoencoder(
        options.n_components,
        alpha=options.alpha,
        device=options.device,
        random_state=0,
        verbose=not options.json,
    ).fit(train)
    clock.say(f"learned a dictionary of {len(sae.components_)} features")
    whole, cut, n_active = _compare(sae, train, test)
    clock.say("compared it with PCA and random directions")
    interpreter = FeatureInterpreter(sae, n_features=EXPLAINED_FEATURES, random_state=0).fit(test)
    clock.say(f"explained {len(interpreter.features_)} features")
    write_report(options.out / "report.html", sae, test, scores=interpreter, verbose=False)
    clock.say(f"wrote {options.out / 'report.html'}")
    found = _explained_summaries(sae, interpreter, test)
    results = {
        "model": str(options.model or "bundled"),
        "hook_point": extractor.hook_point,
        "alpha": options.alpha,
        "train_shape": train.shape,
        "test_shape": test.shape,
        "comparison": whole.records,
        "n_active": n_active,
        "comparison_at_n_active": cut.records,
        "interpretation": _in_json(interpreter.report_),
        "features": [
            asdict(summary) | {"explanation": explanation.text, "score": score}
            for summary, explanation, score in found
        ],
        "seconds": clock.seconds(),
    }
    paragraphs = "\n\n".join(map(_paragraph, found))
    _write(options.out, results, paragraphs)
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        print(f"\nOn held-out texts, each method as it is:\n\n{whole}")
        print(f"\nEach row cut to its {n_active} strongest codes:\n\n{cut}")
        _print_features(len(found), paragraphs)
        _print_next_steps(options, extractor, len(sae.components_))


def _check(options):
    """Refuse what would fail only after minutes of work."""
    check_number("--alpha", options.alpha, low=0, hint="0.02 to 0.5 is the useful range")
    if options.n_components is not None:
        check_number("--n-components", options.n_components, low=1, integer=True)
    if options.out.exists() and not options.out.is_dir():
        raise ValueError(f"--out {options.out} is a file; pass a folder, there or to be made")


def read_texts(path):
    """Return the texts of a file.

    Raises
    ------
    ValueError
        If it cannot be read, holds fewer than two texts or is not UTF-8.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"--texts {path}: {error.strerror.lower()}; pass a file of texts in UTF-8"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"--texts {path}: not UTF-8 ({error.reason}); convert it first") from error
    parts = content.split(SEPARATOR if SEPARATOR in content else "\n\n")
    texts = [part.strip() for part in parts if part.strip()]
    if len(texts) < 2:
        raise ValueError(
            f"--texts {path}: holds {len(texts)} text; pass at least two, separated by lines "
            f"{SEPARATOR} or by empty lines"
        )
    return texts


def middle_hook_point(model, device):
    """Return the name of the residual stream after the middle block of a model."""
    loaded, _ = load_model(model, device=resolve_device(device))
    places = [name for name in hook_points(loaded) if name.startswith("resid_post")]
    return places[len(places) // 2]


def _extract(extractor, texts, clock):
    """Return the activations of all but a fifth of the texts, and of that fifth."""
    held_out = np.arange(len(texts)) % 5 == 4 if len(texts) >= 5 else np.arange(len(texts)) == 1
    acts = extractor.fit_transform(texts)
    clock.say(f"read {len(acts)} tokens of {len(texts)} texts at {extractor.hook_point}")
    is_test = held_out[acts.documents]
    return acts[~is_test], acts[is_test]


def _compare(sae, train, test):
    """Return the table of all methods as they are, one at equal L0, and that L0."""
    methods = {
        "sparse dictionary": sae,
        "PCA": PCA(random_state=0).fit(train),
        "random directions": RandomDictionary(len(sae.components_), random_state=0).fit(train),
    }
    scorers = [_ThreeFigures(n_features=EXPLAINED_FEATURES)]
    whole = compare_dictionaries(methods, None, test, scorers=scorers)
    n_active = max(1, round(whole["sparse dictionary"]["l0"]))
    cut = compare_dictionaries(methods, None, test, n_active=n_active, scorers=scorers)
    for table in (whole, cut):
        table.records[:] = map(_in_json, table.records)
    return whole, cut, n_active


class _ThreeFigures(InterpretabilityScorer):
    """The measures of interpretability that fit in a table on a terminal."""

    def measure(self, estimator, X):
        found = super().measure(estimator, X)
        return {
            "score": found["interpretability"],
            "context_gain": found["context_gain"],
            "control": found["shuffled"],
        }


def _explained_summaries(sae, interpreter, test):
    """Return (summary, explanation, score) of some features, drawn from those that fire often."""
    codes = sae.transform(test)
    counts = np.bincount(codes.indices, minlength=codes.shape[1])
    scored = np.flatnonzero(interpreter.status_ == "scored")
    often = scored[counts[interpreter.features_[scored]] >= FEWEST_FIRINGS]
    # A short text leaves few that fire often.
    drawn = np.random.default_rng(0).permutation(often if len(often) else scored)
    chosen = np.sort(drawn[:SHOWN_FEATURES])
    summaries = summarize_features(codes, test, interpreter.features_[chosen])
    explanations = [interpreter.explanations_[i] for i in chosen]
    return list(zip(summaries, explanations, interpreter.scores_[chosen].tolist(), strict=True))


def _in_json(measures):
    """Return measures with None for what is not defined, which JSON has no number for."""
    return {name: None if value != value else value for name, value in measures.items()}


def _paragraph(found):
    """Return what is printed of a feature."""
    summary, explanation, score = found
    head, *contexts = str(summary).split("\n")
    told = textwrap.shorten(explanation.text, 150, placeholder=" ...")
    return "\n".join([head, f"  score {score:.2f}: {told}", *contexts])


def _print_features(n_features, paragraphs):
    print(
        "\nfvu: fraction of variance unexplained (0 is perfect); l0: codes that fire on a "
        "token;\nn_dead: features that never fire; density: how often the median feature fires; "
        "score: how well\nwords predict codes (correlation on other texts; 1 is perfect); "
        "context_gain: how much of that\nthe token alone would not reach; control: the score of "
        "explanations exchanged between features."
    )
    print(
        f"\n{n_features} features drawn at random. Tokens come with their share of the "
        "feature's total;\ncontexts with the strength of the code at the token in brackets:\n"
    )
    print(paragraphs)


def _print_next_steps(options, extractor, n_components):
    model = "load_stories().model" if options.model is None else repr(str(options.model))
    print(
        f"""
Written to {options.out}: results.json, features.txt, and report.html, to open in a browser

Your own model and texts:

  python -m skdict demo --model NAME_OR_FOLDER --texts FILE --hook-point resid_post.6

In Python:

  acts = ActivationExtractor({model}, {extractor.hook_point!r}).fit_transform(texts)
  sae = SparseDictionaryAutoencoder({n_components}, alpha={options.alpha}).fit(acts)"""
    )


def _write(folder, results, paragraphs):
    """Write the results, each file in one step."""
    files = {
        "results.json": json.dumps(results, indent=1) + "\n",
        "features.txt": paragraphs + "\n",
    }
    for name, content in files.items():
        replace_file(folder / name, content.encode())


class Clock:
    """Says on standard error what was done, and when."""

    def __init__(self, silent):
        self._silent, self._start = silent, time.perf_counter()

    def seconds(self):
        return round(time.perf_counter() - self._start, 1)

    def say(self, what):
        if not self._silent:
            print(f"[{self.seconds():5.1f} s] {what}", file=sys.stderr, flush=True)
