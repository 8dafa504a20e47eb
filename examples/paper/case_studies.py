r"""
Does a feature found from one sentence fire on one kind of token and have one effect?
=====================================================================================

Follows section 5 and figures 4 and 11 to 15 of Cunningham et al. (2023). A sentence ends in a token
of interest, such as an apostrophe. Among the features that fire on that token and on less than a
tenth of all tokens, the one with the largest code is selected, without manual choice. Measured on
other texts:

- the tokens on which it fires, by strength: ten bins of equal width, five tokens and the others;
- how often it fires on the named tokens (recall) and how often only on those (precision), for all
  codes and for codes above half of its maximum;
- the effect of ablating it on the log-probabilities of the next token;
- the same for the default basis: the dimension, in the direction of either sign, whose code
  correlates most with the feature's on the training texts, firing as often as the feature does.

Writes ``case_studies.csv`` with one line per layer, case and seed, ``case_studies_summary.csv``,
``case_studies_effects_summary.csv`` and ``case_studies.png`` (first layer and seed)::

    python examples/paper/case_studies.py --out scratch
"""

import matplotlib.pyplot as plt
import numpy as np
from common import (
    interval,
    paper_parser,
    read_model,
    read_texts,
    save_figure,
    size,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.inspection import InputHistogramDisplay, predicate_scores
from skdict.interventions import output_effects
from skdict.models import readable_pieces

# For each case, a sentence whose last token selects the feature, and a rule for its tokens. Rules
# are matched against the text, so they hold for any tokenizer.
CASES = {
    "apostrophe s": ("Tom went to the park. He saw Lily's", r"(?<=\w)['\u2019]s\b"),
    "apostrophe t": ("Lily was sad. She didn't", r"(?<=\w)['\u2019]t\b"),
    "opening quote": ('Tom saw a big ball. Lily said, "', r'(?<=\s)["\u201c](?=\w)'),
    "the": ("One day, Lily went to the", r"\bthe\b"),
    "period": ("Tom saw a big ball.", r"\."),
    "newline": ("Tom saw a big ball. He was happy.\n", r"\n"),
}
MEASURES = ("precision", "precision_strong", "recall")
SCORES = [f"{basis} {measure}" for basis in ("feature", "dimension") for measure in MEASURES]
MOVED = 0.1  # nats, the paper's threshold for showing a token


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=size([1, 3], [1]))
    parser.add_argument("--n-train", type=int, default=size(900, 60), help="texts to fit on")
    parser.add_argument("--n-test", type=int, default=size(400, 20), help="texts to measure on")
    parser.add_argument("--n-components", type=int, default=size(512, 128))
    parser.add_argument("--alpha", type=float, default=0.15)
    parser.add_argument("--max-iter", type=int, default=size(6, 1))
    parser.add_argument("--max-length", type=int, default=size(256, 64))
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


def likest_dimension(rows, code):
    """Return the dimension and sign whose positive part correlates most with a code."""
    centred = rows - rows.mean(axis=0)
    parts = np.concatenate([centred.clip(min=0), (-centred).clip(min=0)], axis=1)
    parts -= parts.mean(axis=0)
    code = code - code.mean()
    correlation = code @ parts / np.maximum(np.linalg.norm(parts, axis=0), 1e-12)
    best = int(np.argmax(correlation))
    return best % rows.shape[1], 1 if best < rows.shape[1] else -1


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


def study(probe, pattern, sae, train, test, extractor, density):
    """Return the scores of a feature and its dimension, and their codes on the test rows."""
    last = extractor.transform([probe])[-1:]
    feature = found_feature(sae, np.asarray(last), density)
    code = column(sae.transform(test), feature)
    rows, fitted_code = np.asarray(train), column(sae.transform(train), feature)
    dimension, sign = likest_dimension(rows, fitted_code)
    mean = rows.mean(axis=0)
    fitted = dimension_code(rows, mean, dimension, sign)
    whole = dimension_code(np.asarray(test), mean, dimension, sign)
    # Firing as often as the feature does, it cannot trade precision for recall.
    threshold = np.quantile(fitted, 1 - np.mean(fitted_code > 0))
    record = {"feature": feature, "dimension": dimension, "sign": sign, "fires": np.mean(code > 0)}
    record |= scores(code, test, pattern, "feature")
    cut = np.where(whole > threshold, whole, 0)
    record |= scores(cut, test, pattern, "dimension")
    return record, {"feature": code, "dimension": whole}


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


def run(args, pair, extractor, train, test, texts, seed):
    """Return the records of all cases at one layer, and the data of the figure."""
    sae = SparseDictionaryAutoencoder(
        args.n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
    ).fit(train)
    codes = sae.transform(train)
    density = np.bincount(codes.indices, minlength=args.n_components) / len(train)
    studies = [study(*case, sae, train, test, extractor, density) for case in CASES.values()]
    features = sorted({record["feature"] for record, _ in studies})
    effects = output_effects(
        pair, extractor.hook_point, sae, texts, features, n_texts=16, random_state=seed
    )
    vocabulary, records, panels = readable_pieces(pair[1]), [], []
    for case, (record, codes) in zip(CASES, studies, strict=True):
        record |= output_record(effects, record["feature"], vocabulary)
        records.append({"seed": seed, "case": case} | record)
        panels.append((case, record, codes, effects))
    return records, panels


def draw(test, panels, layer, path):
    """Draw the feature's tokens, its effect and the dimension's tokens for each case."""
    figure, axes = plt.subplots(
        len(panels), 3, figsize=(13, 2.7 * len(panels)), layout="constrained", squeeze=False
    )
    for row, (case, record, codes, effects) in zip(axes, panels, strict=True):
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
    args.out.mkdir(parents=True, exist_ok=True)
    pair, texts = read_model(args), read_texts(args, args.n_train, args.n_test)
    records = []
    for layer in args.layers:
        extractor = ActivationExtractor(pair, f"resid_post.{layer}", max_length=args.max_length)
        train, test = (extractor.fit_transform(part) for part in texts)
        for seed in args.seeds:
            new, panels = run(args, pair, extractor, train, test, texts[1][:100], seed)
            records += [{"layer": layer} | record for record in new]
            if (layer, seed) == (args.layers[0], args.seeds[0]):
                draw(test, panels, layer, args.out / "case_studies.png")
            write_table(records, args.out / "case_studies.csv")
    scored, effects = summary(records)
    write_table(effects, args.out / "case_studies_effects_summary.csv")
    write_table(scored, args.out / "case_studies_summary.csv")


if __name__ == "__main__":
    main()
