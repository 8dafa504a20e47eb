r"""
Does a feature found from one sentence fire on one kind of token and have one effect?
=====================================================================================

Follows section 5 and figures 4 and 11 to 15 of Cunningham et al. (2023). A sentence ends in a token
of interest, such as an apostrophe or the last digit of a year. Among the features that fire on that
token and on less than a tenth of all tokens, the one with the largest code is selected, without
manual choice. There are six such sentences for the bundled model, which reads stories, and six for
models that read all kinds of text. Measured on other texts:

- the tokens on which the feature fires, by strength: ten bins of equal width, five tokens and the
  others;
- how often it fires on the named tokens (recall) and how often only on those (precision), for all
  codes and for codes above half of its maximum;
- the effect of ablating it on the log-probabilities of the next token;
- the same for the default basis: the dimension, in the direction of either sign, whose code
  correlates most with the feature's on the training texts, firing as often as the feature does.

Writes ``case_studies.csv`` with one line per layer, seed and case, ``case_studies_summary.csv``,
``case_studies_effects_summary.csv`` and ``case_studies.png`` (first layer and seed)::

    python examples/paper/case_studies.py --out paper
    python examples/paper/case_studies.py --model smollm2 --text wikitext.txt --out smollm2
"""

import matplotlib.pyplot as plt
import numpy as np
from common import complete, interval, paper_parser, save_figure, with_interval, write_table
from methods import fitted_sparse
from settings import BUNDLED, SMOLLM2, size
from workspace import Workspace

from skdict import ActivationExtractor
from skdict.inspection import InputHistogramDisplay, predicate_scores
from skdict.interventions import output_effects
from skdict.models import readable_pieces

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
SHIPS = "(?i:(?:war|battle|flag)?ships?|cruisers?|destroyers?|frigates?|fleets?|naval|navy)"
# For each case, a sentence whose last token selects the feature, and a rule for its tokens. Rules
# are matched against the text, so they hold for any tokenizer.
CASES = {
    BUNDLED: {
        "apostrophe s": ("Tom went to the park. He saw Lily's", r"(?<=\w)['\u2019]s\b"),
        "apostrophe t": ("Lily was sad. She didn't", r"(?<=\w)['\u2019]t\b"),
        "opening quote": ('Tom saw a big ball. Lily said, "', r'(?<=\s)["\u201c](?=\w)'),
        "the": ("One day, Lily went to the", r"\bthe\b"),
        "period": ("Tom saw a big ball.", r"\."),
        "newline": ("Tom saw a big ball. He was happy.\n", r"\n"),
    },
    SMOLLM2: {
        "year": ("He was born in 1945", r"\b(1[1-9]|20)\d\d\b"),
        "month": ("The ship left the port in October", rf"\b({MONTHS})\b"),
        "French": ("He was a famous French", r"\b(French|France|Frenchm[ae]n|Paris)\b"),
        "opening bracket": ("The party was founded in Munich (", r"\("),
        "who": ("He met a young woman , who", r"\b[Ww]ho\b"),
        "ship": ("The admiral sent the battleship", rf"\b{SHIPS}\b"),
    },
}
MEASURES = ("precision", "precision_strong", "recall")
SCORES = [f"{basis} {measure}" for basis in ("feature", "dimension") for measure in MEASURES]
MOVED = 0.1  # nats, the paper's threshold for showing a token


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=setting.layers[1::2])
    parser.add_argument("--texts", type=int, default=size(200, 20), help="texts for the effects")
    return parser.parse_args()


def found_feature(dictionary, row, density, most=0.1):
    """Return the feature with the largest code on a row, among those that fire rarely."""
    codes = dictionary.transform(row).toarray().ravel()
    codes[density >= most] = 0
    if not codes.any():
        raise SystemExit("no feature fires on the last token of a probe; pass a smaller --alpha")
    return int(np.argmax(codes))


def column(codes, feature):
    """Return one column of sparse codes as a dense array."""
    return codes[:, [feature]].toarray().ravel()


def likest_dimension(rows, mean, code):
    """Return the dimension and sign whose positive part correlates most with a code."""
    code, correlations = code - code.mean(), []
    for sign in (1, -1):
        # In place, because the rows of a real model fill most of a gigabyte.
        parts = rows - mean
        parts *= sign
        np.maximum(parts, 0, out=parts)
        deviations = np.maximum(parts.std(axis=0), 1e-12)
        correlations.append(code @ parts / deviations)
    sign, dimension = np.unravel_index(np.argmax(correlations), np.shape(correlations))
    return int(dimension), (1, -1)[sign]


def dimension_code(rows, mean, dimension, sign):
    """Return how far a dimension exceeds its mean in the direction of the sign."""
    return (sign * (rows[:, dimension] - mean[dimension])).clip(min=0)


def scores(code, acts, pattern, basis):
    """Return the precision, the precision above half of the maximum, and the recall of a code."""
    everywhere = predicate_scores(code[:, None], acts, 0, pattern)
    strong = np.where(code >= code.max() / 2, code, 0)
    values = (
        everywhere.precision,
        predicate_scores(strong[:, None], acts, 0, pattern).precision,
        everywhere.sensitivity,
    )
    return {f"{basis} {name}": v for name, v in zip(MEASURES, values, strict=True)}


def study(probe_row, pattern, sae, rows, codes):
    """Return the scores of a feature and its dimension, and their codes on the test rows.

    Parameters
    ----------
    probe_row : ndarray of shape (1, width)
        Activation on the last token of the sentence that selects the feature.
    pattern : str
        Rule for the tokens of the case.
    sae : estimator
        Fitted dictionary.
    rows : (ndarray of shape (n_train, width), Activations of shape (n_test, width))
        Rows it was fitted on, and rows to measure on.
    codes : pair of sparse matrix
        Their codes.
    """
    (train, test), (train_codes, test_codes) = rows, codes
    density = np.bincount(train_codes.indices, minlength=train_codes.shape[1]) / len(train)
    feature = found_feature(sae, probe_row, density)
    code, fitted_code = column(test_codes, feature), column(train_codes, feature)
    mean = train.mean(axis=0)
    dimension, sign = likest_dimension(train, mean, fitted_code)
    fitted = dimension_code(train, mean, dimension, sign)
    whole = dimension_code(test, mean, dimension, sign)
    # Firing as often as the feature does, it cannot trade precision for recall.
    threshold = np.quantile(fitted, 1 - np.mean(fitted_code > 0))
    record = {"feature": feature, "dimension": dimension, "sign": sign, "fires": np.mean(code > 0)}
    record |= scores(code, test, pattern, "feature")
    cut = np.where(whole > threshold, whole, 0)
    record |= scores(cut, test, pattern, "dimension")
    return record, {"feature": code, "dimension": whole}


def last_rows(extractor, probes):
    """Return the activations on the last tokens of sentences, each of shape (1, width)."""
    found = extractor.transform(probes)
    ends = np.searchsorted(found.documents, np.arange(len(probes)), side="right") - 1
    return np.asarray(found)[ends][:, None]


def output_record(effects, feature, vocabulary):
    """Return the tokens that ablating a feature lowers and raises most, in nats."""
    row = effects.effects[list(effects.features).index(feature)]
    order = np.argsort(row)
    top = {"lowered": order[::-1][:5], "raised": order[:5]}
    shown = {
        name: "; ".join(f"{vocabulary[i]!r} {-row[i]:+.2f}" for i in ids)
        for name, ids in top.items()
    }
    return shown | {"tokens_moved": int((np.abs(row) > MOVED).sum())}


def measured(workspace, layer, seed, path=None):
    """Return the records of all cases at one layer, and draw the figure if a path is given."""
    args, pair, hook_point = workspace.args, workspace.pair, f"resid_post.{layer}"
    cases = CASES.get(args.model or BUNDLED, CASES[SMOLLM2])
    rows = workspace.rows(hook_point)
    sae = fitted_sparse(workspace, rows, seed)
    both = np.asarray(rows.train, dtype=np.float32), rows.test
    codes = tuple(sae.transform(np.asarray(part, dtype=np.float32)) for part in both)
    probes, patterns = zip(*cases.values(), strict=True)
    ends = last_rows(ActivationExtractor(pair, hook_point), probes)
    studies = [
        study(x, pattern, sae, both, codes) for x, pattern in zip(ends, patterns, strict=True)
    ]
    features = sorted({record["feature"] for record, _ in studies})
    texts, options = workspace.test_texts[: args.texts], {"max_length": args.max_length}
    effects = output_effects(pair, hook_point, sae, texts, features, random_state=seed, **options)
    # Bytes of a character that is split over several tokens are lone surrogates.
    pieces = (p.encode("utf-8", "surrogateescape") for p in readable_pieces(pair[1]))
    vocabulary = [piece.decode("utf-8", "replace") for piece in pieces]
    records = [
        {"case": case} | record | output_record(effects, record["feature"], vocabulary)
        for case, (record, _) in zip(cases, studies, strict=True)
    ]
    if path is not None:
        draw(rows.test, cases, studies, effects, layer, path)
    return records


def draw(test, cases, studies, effects, layer, path):
    """Draw the feature's tokens, its effect and the dimension's tokens for each case."""
    figure, axes = plt.subplots(
        len(cases), 3, figsize=(13, 2.7 * len(cases)), layout="constrained", squeeze=False
    )
    for row, case, (record, codes) in zip(axes, cases, studies, strict=True):
        for axis, basis in ((row[0], "feature"), (row[2], "dimension")):
            code = codes[basis][:, None]
            InputHistogramDisplay.from_codes(code, test, 0).plot(axis, stat="share")
            axis.set(title=f"{basis} {record[basis]}", xlabel="code", ylabel="share of tokens")
            axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
        row[0].set_ylabel(f"{case}\nshare of tokens", fontweight="bold")
        draw_effects(row[1], effects, record["feature"])
    figure.suptitle(f"After block {layer}: tokens by strength (counts on top), effects of ablation")
    save_figure(figure, path)


def draw_effects(axis, effects, feature):
    """Draw the tokens that ablation lowers and raises most."""
    likelier, less_likely = effects.tokens(feature, 5)
    shown = [(token, -effect) for token, effect in [*likelier, *less_likely[::-1]]][::-1]
    labels, values = [repr(token) for token, _ in shown], [value for _, value in shown]
    axis.barh(range(len(shown)), values, color=["C3" if v < 0 else "C0" for v in values])
    axis.set_yticks(range(len(shown)), labels, fontsize=8)
    axis.axvline(0, color="0.5", linewidth=0.8)
    axis.set(title=f"ablating feature {feature}", xlabel="change in log-probability (nats)")


def summary(records):
    """Return the means over seeds, and the token lowered most in each seed, as two tables."""
    scored, effects = [], []
    for layer, case in dict.fromkeys((r["layer"], r["case"]) for r in records):
        group = [r for r in records if (r["layer"], r["case"]) == (layer, case)]
        cells = {s: with_interval(*interval([r[s] for r in group])) for s in SCORES}
        scored.append(
            {
                "block": layer,
                "case": case,
                "precision": cells["feature precision"],
                "precision, strong": cells["feature precision_strong"],
                "recall": cells["feature recall"],
                "dimension's precision": cells["dimension precision"],
                "dimension's recall": cells["dimension recall"],
            }
        )
        lowered = ", ".join(r["lowered"].split("; ")[0] for r in group)
        effects.append({"block": layer, "case": case, "lowered most, each seed": lowered})
    return scored, effects


def main():
    """Measure all layers and seeds, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [{"layer": layer, "seed": seed} for layer in args.layers for seed in args.seeds]

    def measure(layer, seed):
        is_first = jobs[0] == {"layer": layer, "seed": seed}
        return measured(workspace, layer, seed, args.out / "case_studies.png" if is_first else None)

    scored, effects = summary(complete(args.out / "case_studies.csv", jobs, measure))
    write_table(effects, args.out / "case_studies_effects_summary.csv")
    write_table(scored, args.out / "case_studies_summary.csv")


if __name__ == "__main__":
    main()
