"""`skdict demo`: from texts to interpretable features in under a minute."""

import json
import textwrap
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from skdict._cli._clock import Clock
from skdict._cli._held_out import FEWEST_DOCUMENTS, count_documents, warn_of_few_documents
from skdict._cli._options import add_command
from skdict._cli._reading import READING_ARGUMENTS, given_texts, make_extractor
from skdict._cli._sparsity import SPARSITY_ARGUMENTS, sparsity_params
from skdict._cli._terminal import show, show_json
from skdict._cli._text_lengths import count_texts, report_tokens
from skdict._files import replace_file
from skdict._outputs import check_output_file, check_output_folder
from skdict._text import printable
from skdict._validation import check_number
from skdict.decomposition import RandomDictionary, SparseDictionaryAutoencoder
from skdict.feature_extraction import ActivationExtractor
from skdict.inspection import summarize_features, write_report
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer
from skdict.metrics import compare_dictionaries

DESCRIPTION = """\
Read the activations of a language model on texts, fit a sparse dictionary to them, compare it
with PCA and random directions, and print the contexts and explanations of a few features. An
HTML report covers all features.

Without options it uses the bundled model and stories, needs no network, and takes less than a
minute on two cores. One fifth of the texts is held out; all results are measured on it.
"""
SHOWN_FEATURES = 8
FEWEST_FIRINGS = 50
FEWEST_TEXTS = 5 * FEWEST_DOCUMENTS
EXPLAINED_FEATURES = 150
ARGUMENTS = READING_ARGUMENTS | {
    "--hook-point": {
        "metavar": "HOOK_POINT",
        "help": "hook point to read, such as resid_post.2, the residual stream after block 2, "
        "counted from 0 (default: the residual stream after the middle block)",
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
    extractor, counts, train, test = _read(options, clock)
    sae = _learn(options, train, clock)
    whole, cut, n_active = _compare(sae, train, test, clock)
    interpreter, features = _explain(options.out, sae, test, clock)
    results = {
        "model": str(options.model or "bundled"),
        "texts": counts,
        "hook_point": extractor.hook_point,
        "alpha": sae.alpha_,
        "target_l0": options.target_l0,
        "train_shape": train.shape,
        "test_shape": test.shape,
        "comparison": whole.records,
        "n_active": n_active,
        "comparison_at_n_active": cut.records,
        "interpretation": _in_json(interpreter.report_),
        "features": [_as_record(*found) for found in features],
        "seconds": clock.seconds(),
    }
    paragraphs = "\n\n".join(map(_paragraph, features))
    _write(options.out, results, paragraphs)
    if options.json:
        show_json(results)
    else:
        _print_tables(whole, cut, n_active)
        _print_features(len(features), paragraphs)
        _print_next_steps(options, extractor, sae)


def _check(options):
    """Check options that would otherwise fail only after minutes of work."""
    sparsity_params(options)
    if options.n_components is not None:
        check_number("--n-components", options.n_components, low=1, integer=True)
    check_output_folder("--out", options.out)
    for name in ("results.json", "features.txt", "report.html"):
        check_output_file("--out", options.out / name)


def _read(options, clock):
    """Return the extractor, counts of texts and tokens, and training and test activations."""
    found = given_texts(options, clock, fewest=FEWEST_TEXTS)
    extractor = make_extractor(options, options.hook_point)
    lengths = report_tokens(found, extractor, clock)
    return extractor, count_texts(found, lengths), *_extract(extractor, found.texts, clock)


def _extract(extractor, texts, clock):
    """Return the activations of four fifths of the texts, and of the held-out fifth."""
    held_out = np.arange(len(texts)) % 5 == 4
    acts = extractor.fit_transform(texts)
    clock.say(
        f"extracted {len(acts):,} rows of width {acts.shape[1]:,} from {extractor.hook_point}"
    )
    is_test = held_out[acts.documents]
    test = acts[is_test]
    n_held_out = count_documents(test)
    if n_held_out < FEWEST_DOCUMENTS:
        raise ValueError(
            f"--texts: only {n_held_out} of {held_out.sum()} held-out texts are long enough to "
            f"give rows, but {FEWEST_DOCUMENTS} are needed; pass more or longer texts"
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


def _explain(out, sae, test, clock):
    """Write the report; return the interpreter, and the summaries of some features."""
    interpreter = FeatureInterpreter(sae, n_features=EXPLAINED_FEATURES, random_state=0).fit(test)
    clock.say(f"explained {len(interpreter.features_)} features")
    write_report(out / "report.html", sae, test, scores=interpreter, verbose=False)
    clock.say(f"wrote {out / 'report.html'}")
    return interpreter, _explained_summaries(sae, interpreter, test)


def _compare(sae, train, test, clock):
    """Return a comparison of the methods as fitted, one at equal L0, and that L0."""
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
    clock.say("compared the dictionary with PCA and random directions")
    return whole, cut, n_active


class _ThreeFigures(InterpretabilityScorer):
    """Scorer with the three measures that fit in a table on a terminal."""

    def measure(self, estimator, X):
        found = super().measure(estimator, X)
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


def _in_json(measures):
    """Return measures with None in place of NaN, which JSON cannot represent."""
    return {name: None if value != value else value for name, value in measures.items()}


def _paragraph(found):
    """Return the text printed for a feature."""
    summary, explanation, score = found
    head, *contexts = str(summary).split("\n")
    told = printable(textwrap.shorten(explanation.text, 150, placeholder=" ..."))
    return "\n".join([head, f"  score {score:.2f}: {told}", *contexts])


def _as_record(summary, explanation, score):
    """Return the record of a feature for results.json."""
    return asdict(summary) | {"explanation": explanation.text, "score": score}


def _print_tables(whole, cut, n_active):
    show(f"\nAll methods on the held-out texts:\n\n{whole}")
    show(f"\nThe same, keeping the {n_active} strongest codes of each row:\n\n{cut}")


def _print_features(n_features, paragraphs):
    show(
        "\nfvu: fraction of variance unexplained (0 is perfect); l0: codes that fire per token;\n"
        "n_dead: features that never fire; density: fraction of rows on which the median feature "
        "fires;\nscore: explanation score (correlation on other texts; 1 is perfect); "
        "context_gain: part of the\nscore that the token alone would not reach; control: score "
        "of the shuffled-explanation control."
    )
    show(
        f"\n{n_features} features drawn at random. Each token is shown with its share of the "
        "feature's total\nactivation, each context with the code at the token in brackets:\n"
    )
    show(paragraphs)


def _print_next_steps(options, extractor, sae):
    model = "load_stories().model" if options.model is None else repr(str(options.model))
    defaults = ActivationExtractor(None, None).get_params(deep=False)
    given = "".join(
        f", {name}={value!r}"
        for name, value in extractor.get_params(deep=False).items()
        if name not in ("model", "hook_point") and value != defaults[name]
    )
    sparsity = f"alpha={sae.alpha_:.4g}"
    if options.target_l0 is not None:
        sparsity = f"target_l0={options.target_l0}"
    show(
        f"""
Results are in {options.out}: results.json, features.txt, and report.html (open it in a browser)

To use your own model and texts:

  python -m skdict demo --model MODEL --texts PATH --hook-point resid_post.6

In Python:

  acts = ActivationExtractor({model}, {extractor.hook_point!r}{given}).fit_transform(texts)
  sae = SparseDictionaryAutoencoder({len(sae.components_)}, {sparsity}).fit(acts)"""
    )


def _write(folder, results, paragraphs):
    """Write the result files, each atomically."""
    files = {
        "results.json": json.dumps(results, indent=1) + "\n",
        "features.txt": paragraphs + "\n",
    }
    for name, content in files.items():
        replace_file(folder / name, content.encode())
