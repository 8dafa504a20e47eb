"""`skdict demo`: from texts to interpretable features in under a minute."""

from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from skdict._cli._clock import Clock, duration
from skdict._cli._demo_results import (
    feature_paragraph,
    feature_record,
    in_json,
    print_features,
    print_next_steps,
    print_tables,
    write_results,
)
from skdict._cli._held_out import FEWEST_DOCUMENTS, count_documents, warn_of_few_documents
from skdict._cli._options import add_command
from skdict._cli._reading import (
    BUNDLED,
    READING_ARGUMENTS,
    SMOLLM2,
    given_texts,
    make_extractor,
)
from skdict._cli._reading_progress import read_with_bar, try_reading
from skdict._cli._sparsity import SPARSITY_ARGUMENTS, sparsity_params
from skdict._cli._terminal import show_json
from skdict._cli._text_lengths import count_texts, report_tokens
from skdict._cli._token_limit import limit_tokens
from skdict._outputs import check_output_file, check_output_folder
from skdict._validation import check_number
from skdict.decomposition import RandomDictionary, SparseDictionaryAutoencoder, count_steps
from skdict.inspection import summarize_features, write_report
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer
from skdict.metrics import compare_dictionaries

DESCRIPTION = """\
Read the activations of a language model on texts, fit a sparse dictionary to them, compare it
with PCA and random directions, and print the contexts and explanations of a few features. An
HTML report covers all features.

Without options it uses the bundled model and stories, needs no network, and takes less than a
minute on two cores. With --model smollm2 --texts FILE it downloads a language model of 135
million parameters on first use, and takes less than five minutes. One fifth of the texts is held
out; all results are measured on it.
"""
SHOWN_FEATURES = 8
FEWEST_FIRINGS = 50
FEWEST_TEXTS = 5 * FEWEST_DOCUMENTS
EXPLAINED_FEATURES = 150
MOST_TOKENS = 100_000
# Speeds on two cores, for the estimate: entries of dense products of rows with the dictionary per
# second of training, and codes per second of comparing, explaining and writing the report.
FIT_SPEED, EXPLAIN_SPEED = 7e10, 4.5e5
ARGUMENTS = READING_ARGUMENTS | {
    "--hook-point": {
        "metavar": "HOOK_POINT",
        "help": "hook point to read, such as resid_post.2, the residual stream after block 2, "
        "counted from 0 (default: the residual stream after the middle block)",
    },
    "--max-tokens": {
        "metavar": "N",
        "type": int,
        "help": "maximum number of tokens to read; whole texts are drawn at random up to it "
        f"(default: {MOST_TOKENS:,} with --model, all without)",
    },
    "--n-components": {
        "metavar": "N",
        "type": int,
        "help": "number of features (default: 4 times the width of the model)",
    },
    **SPARSITY_ARGUMENTS,
    "--out": {
        "metavar": "FOLDER",
        "type": Path,
        "default": Path("skdict-demo"),
        "help": "folder to write the results to",
    },
}


def add_parser(commands):
    """Add the command to the parser."""
    help = "go from texts to a sparse dictionary and interpretable features"
    add_command(commands, "demo", run, arguments=ARGUMENTS, help=help, description=DESCRIPTION)


def run(options):
    """Extract activations, fit and compare dictionaries, explain features, print the results."""
    _check(options)
    clock = Clock(silent=options.json)
    with clock.python_warnings():
        extractor, sae, tables, features, results = _results(options, clock)
    paragraphs = "\n\n".join(feature_paragraph(*found) for found in features)
    write_results(options.out, results, paragraphs)
    if options.json:
        show_json(results)
    else:
        print_tables(*tables, results["n_active"])
        print_features(len(features), paragraphs)
        print_next_steps(options, extractor, sae)


def _results(options, clock):
    """Do the work; return what is printed and the content of results.json."""
    extractor, counts, train, test = _read(options, clock)
    sae = _learn(options, train, clock)
    interpreter, features = _explain(sae, test, clock)
    whole, cut, n_active = _compare(sae, interpreter, train, test, clock)
    report = options.out / "report.html"
    write_report(report, sae, test, scores=interpreter, verbose=False)
    clock.say(f"wrote {report}, {report.stat().st_size / 1e6:.1f} MB")
    results = {
        "model": str(options.model or BUNDLED),
        "texts": counts,
        "hook_point": extractor.hook_point,
        "alpha": sae.alpha_,
        "target_l0": options.target_l0,
        "train_shape": train.shape,
        "test_shape": test.shape,
        "comparison": whole.records,
        "n_active": n_active,
        "comparison_at_n_active": cut.records,
        "interpretation": in_json(interpreter.report_),
        "features": [feature_record(*found) for found in features],
        "seconds": clock.seconds(),
    }
    return extractor, sae, (whole, cut), features, results


def _check(options):
    """Check options that would otherwise fail only after minutes of work."""
    sparsity_params(options)
    if options.n_components is not None:
        check_number("--n-components", options.n_components, low=1, integer=True)
    if options.max_tokens is not None:
        check_number("--max-tokens", options.max_tokens, low=1, integer=True)
    check_output_folder("--out", options.out)
    for name in ("results.json", "features.txt", "report.html"):
        check_output_file("--out", options.out / name)


def _read(options, clock):
    """Return the extractor, counts of texts and tokens, and training and test activations."""
    found = given_texts(options, clock, fewest=FEWEST_TEXTS)
    if options.model == SMOLLM2:
        clock.say("loading SmolLM2-135M-Instruct, which is downloaded on first use")
    extractor = make_extractor(options, options.hook_point)
    lengths = report_tokens(found, extractor, clock)
    n_texts, most = len(found.texts), options.max_tokens
    if most is None and options.model is not None:
        most = MOST_TOKENS
    if most is not None:
        found, lengths = limit_tokens(found, lengths, most, fewest=FEWEST_TEXTS)
    if len(found.texts) < n_texts:
        clock.say(
            f"using {len(found.texts):,} of {n_texts:,} texts: {lengths.n_read:,} tokens "
            f"(--max-tokens {most})"
        )
    _say_estimate(options, extractor, found.texts, lengths, clock)
    acts = read_with_bar(extractor, found.texts, lengths.n_read, hidden=options.json)
    return extractor, count_texts(found, lengths), *_split(extractor, acts, clock)


def _say_estimate(options, extractor, texts, lengths, clock):
    """Report about how long the run will take."""
    speed, width = try_reading(extractor, texts, lengths)
    n_components = options.n_components or 4 * width
    n_test = sum(lengths.n_rows) // 5
    n_train = sum(lengths.n_rows) - n_test
    _, passes = count_steps(n_train, SparseDictionaryAutoencoder().batch_size)
    n_epochs = passes * SparseDictionaryAutoencoder().max_iter
    reading = lengths.n_read / speed
    fitting = n_epochs * n_train * width * n_components / FIT_SPEED
    explaining = n_test * n_components / EXPLAIN_SPEED
    clock.say(
        f"this will take about {duration(reading + fitting + explaining)}: {duration(reading)} to "
        f"read {lengths.n_read:,} tokens at {speed:,.0f} per second, {duration(fitting)} to fit a "
        f"dictionary, {duration(explaining)} to compare and explain"
    )


def _split(extractor, acts, clock):
    """Return the activations of four fifths of the texts, and of the held-out fifth."""
    clock.say(
        f"extracted {len(acts):,} rows of width {acts.shape[1]:,} from {extractor.hook_point}"
    )
    is_test = acts.documents % 5 == 4
    test = acts[is_test]
    n_held_out = count_documents(test)
    if n_held_out < FEWEST_DOCUMENTS:
        raise ValueError(
            f"--texts: only {n_held_out} of the held-out texts are long enough to give rows, but "
            f"{FEWEST_DOCUMENTS} are needed; pass more or longer texts"
        )
    clock.say(f"held out {n_held_out:,} of {count_documents(acts):,} texts, to measure all results")
    warn_of_few_documents(clock, n_held_out, "held-out documents")
    return acts[~is_test], test


def _learn(options, train, clock):
    sae = SparseDictionaryAutoencoder(
        options.n_components,
        **sparsity_params(options),
        device=options.device,
        random_state=0,
        verbose=not options.json,
    ).fit(train)
    steered = "" if options.target_l0 is None else f", with alpha adjusted to {sae.alpha_:.3g}"
    clock.say(f"fitted a dictionary with {len(sae.components_):,} features{steered}")
    return sae


def _explain(sae, test, clock):
    """Return an interpreter, and the summaries of some features."""
    interpreter = FeatureInterpreter(sae, n_features=EXPLAINED_FEATURES, random_state=0).fit(test)
    clock.say(f"explained {len(interpreter.features_)} features")
    return interpreter, _explained_summaries(sae, interpreter, test)


def _compare(sae, interpreter, train, test, clock):
    """Return a comparison of the methods as fitted, one at equal L0, and that L0."""
    methods = {
        "sparse dictionary": sae,
        "PCA": PCA(random_state=0).fit(train),
        "random directions": RandomDictionary(len(sae.components_), random_state=0).fit(train),
    }
    scorers = [_ThreeFigures(interpreter)]
    whole = compare_dictionaries(methods, None, test, scorers=scorers)
    n_active = max(1, round(whole["sparse dictionary"]["l0"]))
    cut = compare_dictionaries(methods, None, test, n_active=n_active, scorers=scorers)
    for table in (whole, cut):
        table.records[:] = map(in_json, table.records)
    clock.say("compared the dictionary with PCA and random directions")
    return whole, cut, n_active


class _ThreeFigures:
    """Scorer with the three measures that fit in a table on a terminal.

    Parameters
    ----------
    interpreter : FeatureInterpreter
        Interpreter fitted on the rows to score on, whose dictionary is not explained again.
    """

    def __init__(self, interpreter):
        self._interpreter = interpreter
        self._scorer = InterpretabilityScorer(n_features=EXPLAINED_FEATURES)

    def __call__(self, estimator, X):
        """Return the mean score."""
        return self.measure(estimator, X)["score"]

    def measure(self, estimator, X):
        """Return the mean score, the context gain and the shuffled-explanation control."""
        if estimator is self._interpreter.dictionary_:
            found = self._interpreter.report_
        else:
            found = self._scorer.measure(estimator, X)
        return {
            "score": found["interpretability"],
            "context_gain": found["context_gain"],
            "control": found["shuffled"],
        }


def _explained_summaries(sae, interpreter, test):
    """Return summary, explanation and score of some features drawn from those that fire often."""
    codes = sae.transform(test)
    counts = np.bincount(codes.indices, minlength=codes.shape[1])
    scored = np.flatnonzero(interpreter.status_ == "scored")
    often = scored[counts[interpreter.features_[scored]] >= FEWEST_FIRINGS]
    # With little text, possibly no feature fires often.
    drawn = np.random.default_rng(0).permutation(often if len(often) else scored)
    chosen = np.sort(drawn[:SHOWN_FEATURES])
    summaries = summarize_features(codes, test, interpreter.features_[chosen])
    explanations = [interpreter.explanations_[i] for i in chosen]
    return list(zip(summaries, explanations, interpreter.scores_[chosen].tolist(), strict=True))
