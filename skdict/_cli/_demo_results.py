"""Print and save the results of `skdict demo`."""

import json
import textwrap
from dataclasses import asdict

from skdict._cli._reading import BUNDLED, model_code
from skdict._cli._terminal import show
from skdict._files import replace_file
from skdict._text import printable
from skdict.feature_extraction import ActivationExtractor

LEGEND = """
fvu: fraction of variance unexplained (0 is perfect); l0: codes that fire per token;
n_dead: features that never fire; density: fraction of rows on which the median feature fires;
score: explanation score (correlation on other texts; 1 is perfect); context_gain: part of the
score that a list of ten tokens does not reach; control: score of the shuffled-explanation
control."""


def in_json(measures):
    """Return measures with None in place of NaN, which JSON cannot represent."""
    return {name: None if value != value else value for name, value in measures.items()}


def feature_record(summary, explanation, score):
    """Return the record of a feature for results.json."""
    return asdict(summary) | {"explanation": explanation.text, "score": score}


def feature_paragraph(summary, explanation, score):
    """Return the text printed for a feature."""
    head, *contexts = str(summary).split("\n")
    told = printable(textwrap.shorten(explanation.text, 150, placeholder=" ..."))
    return "\n".join([head, f"  score {score:.2f}: {told}", *contexts])


def write_results(folder, results, paragraphs):
    """Write results.json and features.txt, each atomically."""
    files = {
        "results.json": json.dumps(results, indent=1) + "\n",
        "features.txt": paragraphs + "\n",
    }
    for name, content in files.items():
        replace_file(folder / name, content.encode())


def print_tables(whole, cut, n_active):
    """Print the comparisons of the methods, as fitted and at equal L0."""
    show(f"\nAll methods on the held-out texts:\n\n{whole}")
    show(f"\nThe same, keeping the {n_active} strongest codes of each row:\n\n{cut}")
    show(LEGEND)


def print_features(n_features, paragraphs):
    """Print the contexts and explanations of some features."""
    show(
        f"\n{n_features} features drawn at random. Each token is shown with its share of the "
        "feature's total\nactivation, each context with the code at the token in brackets:\n"
    )
    show(paragraphs)


def print_next_steps(options, extractor, sae):
    """Print where the results are, and the same steps in Python."""
    model = model_code(options.model or BUNDLED)
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
