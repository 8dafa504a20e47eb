r"""
Can one feature carry a concept?
================================

The gender of a person in a story is erased from the residual stream, and the model has to continue
with a pronoun, as in the erasure experiment of the first version of Cunningham et al. (2023). Each
method is fitted on the prompts of one seed and measured on others:

``LEACE``, ``mean projection``
    the smallest edit that leaves no linear trace, and the projection along the difference of means;
``feature, project`` and ``feature, zero``
    one feature of a sparse dictionary, its direction projected out or its code set to zero;
``random, project``
    the best of the same number of random directions, selected in the same way.

The feature is selected among the eight that rank the genders best, as the one whose erasure lowers
the probability of the right pronoun most on the prompts it is fitted on. Edits act from the first
word that reveals the gender. Damage is measured on stories, where all tokens are edited, in nats
per token, and on number agreement.

Writes ``erasure.csv``, ``erasure_summary.csv`` and ``erasure.png``. Records already in the table
are not measured again::

    python examples/paper/erasure.py --out paper
    python examples/paper/erasure.py --model stories260K --text stories.txt --out other
"""

from contextlib import nullcontext

import numpy as np
import torch
from common import (
    paper_parser,
    read_model,
    read_table,
    read_texts,
    save_figure,
    size,
    summarize,
    with_interval,
    write_table,
)

from skdict import ActivationExtractor, RandomDictionary, SparseDictionaryAutoencoder
from skdict.datasets import make_agreement, make_pronouns
from skdict.interventions import LEACE, FeatureEraser, erasure_report, intervene
from skdict.models import capture, find_hook_point

N_TRIED = 8
ERASER_STYLES = {
    "LEACE": "k-o",
    "mean projection": "C7-s",
    "feature, project": "C0-o",
    "feature, zero": "C0--v",
    "random, project": "C1-^",
}


def parse_args():
    """Return the command-line options."""
    parser = paper_parser(__doc__)
    parser.add_argument(
        "--introduce", action="store_true", help="introduce unknown names as girl or boy"
    )
    parser.add_argument("--layers", type=int, nargs="+", default=size([0, 1, 2, 3, 4], [2]))
    parser.add_argument("--n-train", type=int, default=size(400, 40), help="prompts to fit on")
    parser.add_argument("--n-test", type=int, default=size(200, 40), help="prompts to measure on")
    parser.add_argument(
        "--n-texts", type=int, default=size(400, 30), help="texts for the dictionary"
    )
    parser.add_argument("--n-damage", type=int, default=size(60, 10), help="texts for the damage")
    parser.add_argument("--n-components", type=int, default=size(512, 64))
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--max-iter", type=int, default=size(8, 1))
    parser.add_argument("--max-length", type=int, default=128)
    return parser.parse_args()


class Prompts:
    """Prompts at one layer of a model: their rows, and the model's answers under an edit."""

    def __init__(self, pair, hook_point, task, *, from_difference=True):
        self.pair, self.hook_point, self.task = pair, hook_point, task
        self.ids = torch.from_numpy(task.input_ids)
        self.mask = torch.from_numpy(task.attention_mask)
        self.flags = np.zeros(self.ids.shape, dtype=bool)
        for i, ids in enumerate(task.prompt_ids):
            start = task.differing_positions[i][0] if from_difference else 1
            self.flags[2 * i : 2 * i + 2, max(start, 1) : len(ids)] = True

    def rows(self, labels):
        """Return the rows where edits act, and the label and the prompt of each."""
        model = self.pair[0]
        points = {"x": find_hook_point(model, self.hook_point)}
        with torch.no_grad(), capture(points) as values:
            model(self.ids, attention_mask=self.mask)
        # Rows of input_ids come in pairs: the same prompt with either answer.
        flags = self.flags[::2]
        prompts = np.nonzero(flags)[0]
        return values["x"][::2][torch.from_numpy(flags)].numpy(), labels[prompts], prompts

    def measure(self, eraser=None):
        """Return the accuracy and the mean probability of the right answer out of two."""
        model, edited = self.pair[0], nullcontext()
        if eraser is not None:
            options = {"positions": self.flags}
            edited = intervene(model, self.hook_point, None, eraser, **options)
        with torch.no_grad(), edited:
            logits = model(self.ids, attention_mask=self.mask).logits
        difference = self.task.metric(logits)
        return float((difference > 0).float().mean()), float(difference.sigmoid().mean())


def tried_in_the_model(prompts):
    """Return a selection: of the most predictive features, the one that hurts the task most."""

    def selection(dictionary, X, y):
        # Below all probabilities, so that features that were not tried are not selected.
        scores = FeatureEraser(dictionary).fit(X, y).scores_ - 10
        for feature in np.argsort(-scores)[:N_TRIED]:
            only = np.eye(len(scores))[feature]
            eraser = FeatureEraser(dictionary, selection=lambda *_, only=only: only).fit(X, y)
            scores[feature] = -prompts.measure(eraser)[1]
        return scores

    return selection


def erasers(rows, train, X, y, args, seed):
    """Return the fitted erasers of a layer, by name."""
    sae = SparseDictionaryAutoencoder(
        args.n_components, alpha=args.alpha, max_iter=args.max_iter, random_state=seed
    ).fit(rows)
    random = RandomDictionary(args.n_components, random_state=seed).fit(rows)
    chosen = FeatureEraser(sae, selection=tried_in_the_model(train)).fit(X, y)
    best = chosen.scores_
    return {
        "LEACE": LEACE().fit(X, y),
        "mean projection": LEACE("orthogonal").fit(X, y),
        "feature, project": chosen,
        "feature, zero": FeatureEraser(sae, method="zero", selection=lambda *_: best).fit(X, y),
        "random, project": FeatureEraser(random, selection=tried_in_the_model(train)).fit(X, y),
    }


def measured(layer, seed, args, pair, texts):
    """Yield a record per method at a layer."""
    hook_point, tokenizer = f"resid_post.{layer}", pair[1]
    fit_on, asked = (
        make_pronouns(n, tokenizer, introduce=args.introduce, random_state=state)
        for n, state in ((args.n_train, 1000 + seed), (args.n_test, seed))
    )
    train, test = (Prompts(pair, hook_point, task) for task in (fit_on, asked))
    agreement = make_agreement(args.n_test, tokenizer, random_state=seed)
    other = Prompts(pair, hook_point, agreement, from_difference=False)
    rows = ActivationExtractor(pair, hook_point, max_length=args.max_length).transform(texts[0])
    X, y, _ = train.rows(fit_on.genders)
    fitted = erasers(rows, train, X, y, args, seed)
    X_test, y_test, prompts = test.rows(asked.genders)
    report = erasure_report(
        fitted,
        X_test,
        y_test,
        groups=prompts,
        model=pair,
        hook_point=hook_point,
        texts=texts[1],
        max_length=args.max_length,
        random_state=seed,
    )
    for record in report:
        eraser = fitted.get(record["eraser"])
        accuracy, probability = test.measure(eraser)
        task = {"pronouns": accuracy, "p_right": probability, "agreement": other.measure(eraser)[0]}
        yield {"layer": layer, "seed": seed} | record | task


def summary(records):
    """Return the summary table."""
    titles = {
        "p_right": "P(right pronoun)",
        "linear": "linear probe",
        "relative_edit": "relative edit",
        "kl_divergence": "KL on stories",
        "cross_entropy_increase": "cross-entropy increase",
        "agreement": "agreement",
    }
    digits = dict.fromkeys(titles, 2) | {"kl_divergence": 3, "cross_entropy_increase": 3}
    rows = []
    for r in summarize(records, ("layer", "eraser"), list(titles)):
        cells = {t: with_interval(r[m], r[f"{m} +-"], digits[m]) for m, t in titles.items()}
        rows.append({"block": r["layer"], "method": r["eraser"]} | cells)
    return sorted(rows, key=lambda row: int(row["block"]))


def draw(records, path):
    """Draw the task after erasure and the damage by layer, with intervals over seeds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
    panels = {
        "p_right": "probability of the right pronoun",
        "kl_divergence": "KL on stories (nats per token)",
        "relative_edit": "relative edit",
    }
    for axis, (measure, title) in zip(axes, panels.items(), strict=True):
        for name, style in ERASER_STYLES.items():
            own = [r for r in records if r["eraser"] == name]
            points = sorted(summarize(own, ("layer",), (measure,)), key=lambda p: int(p["layer"]))
            layers = [int(point["layer"]) for point in points]
            means, halves = ([p[key] for p in points] for key in (measure, f"{measure} +-"))
            axis.errorbar(layers, means, halves, fmt=style, label=name, capsize=2, markersize=5)
        axis.set(xlabel="block", title=title, xticks=layers)
    none = np.mean([float(r["p_right"]) for r in records if r["eraser"] == "none"])
    axes[0].axhline(none, color="0.7", label="nothing erased")
    axes[0].axhline(0.5, color="0.7", linestyle=":", label="chance")
    axes[1].set_yscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    save_figure(figure, path)


def main():
    """Measure what is missing, and write the tables and the figure."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "erasure.csv"
    records = read_table(table)
    done = {(r["layer"], r["seed"]) for r in records}
    pair, texts = read_model(args), read_texts(args, args.n_texts, args.n_damage)
    for layer in args.layers:
        for seed in args.seeds:
            if (str(layer), str(seed)) in done:
                continue
            records += measured(layer, seed, args, pair, texts)
            write_table(records, table)
            print(f"measured block {layer}, seed {seed}", flush=True)
    write_table(summary(records), args.out / "erasure_summary.csv")
    draw(records, args.out / "erasure.png")


if __name__ == "__main__":
    main()
