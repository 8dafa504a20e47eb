r"""
Can one feature carry a concept?
================================

The gender of a person in a story is erased from the residual stream, and the model is asked to
go on with a pronoun. Each method is fitted on the prompts of one seed and measured on others:

``LEACE``, ``mean projection``
    the least edit that leaves no linear trace, and the projection along the difference of means;
``feature, project`` and ``feature, zero``
    one feature of a sparse dictionary, its direction projected out, or its code set to zero;
``random, project``
    the best of as many random directions, chosen in the same way.

A feature is chosen among the eight that rank the genders best, as the one whose erasure lowers
the probability of the right pronoun most on the prompts fitted. Edits act from the first word
that tells the gender. Damage is measured on stories, where all tokens are edited, by the KL
divergence and cross-entropy in nats a token, and on number agreement.

Writes ``erasure.csv``, one line for each layer, method and seed, and ``erasure.png``::

    python examples/paper/erasure.py --out scratch
    python examples/paper/erasure.py --model stories260K --out scratch/stories260K
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from skdict import ActivationExtractor, RandomDictionary, SparseDictionaryAutoencoder, load_stories
from skdict.datasets import make_agreement, make_pronouns
from skdict.interventions import LEACE, Erase, FeatureEraser, erasure_report, intervene
from skdict.interventions._feature_scores import auroc_scores
from skdict.models import capture, find_hook_point, load_model

N_TRIED = 8
STYLES = {
    "LEACE": "k-o",
    "mean projection": "C7-s",
    "feature, project": "C0-o",
    "feature, zero": "C0--v",
    "random, project": "C1-^",
}


def parse_args():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="name or folder; the bundled one without")
    parser.add_argument("--text", type=Path, help="stories, separated by <|endoftext|>")
    parser.add_argument(
        "--introduce", action="store_true", help="say girl or boy of an unknown name first"
    )
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n-train", type=int, default=400, help="prompts to fit on")
    parser.add_argument("--n-test", type=int, default=200, help="prompts to measure on")
    parser.add_argument("--n-texts", type=int, default=400, help="stories for the dictionary")
    parser.add_argument("--n-damage", type=int, default=60, help="stories for the damage")
    parser.add_argument("--n-components", type=int, default=512)
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--max-iter", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    return parser.parse_args()


class Prompts:
    """Prompts at one layer of a model: their rows, and how the model goes on under an edit."""

    def __init__(self, pair, hook_point, task, *, from_difference=True):
        self.pair, self.hook_point, self.task = pair, hook_point, task
        self.ids = torch.from_numpy(task.input_ids)
        self.mask = torch.from_numpy(task.attention_mask)
        self.flags = np.zeros(self.ids.shape, dtype=bool)
        for i, ids in enumerate(task.prompt_ids):
            start = task.differing_positions[i][0] if from_difference else 1
            self.flags[2 * i : 2 * i + 2, max(start, 1) : len(ids)] = True

    def rows(self, labels):
        """Return the rows where edits act, the label of each and the prompt it belongs to."""
        model = self.pair[0]
        points = {"x": find_hook_point(model, self.hook_point)}
        with torch.no_grad(), capture(points) as values:
            model(self.ids, attention_mask=self.mask)
        # Two rows of input_ids have the same prompt, each with another answer.
        flags = self.flags[::2]
        prompts = np.nonzero(flags)[0]
        return values["x"][::2][torch.from_numpy(flags)].numpy(), labels[prompts], prompts

    def measure(self, eraser=None):
        """Return accuracy, and the mean probability of the right answer among the two."""
        model = self.pair[0]
        with torch.no_grad():
            if eraser is None:
                logits = model(self.ids, attention_mask=self.mask).logits
            else:
                edit = Erase(eraser)
                with intervene(model, self.hook_point, None, edit, positions=self.flags):
                    logits = model(self.ids, attention_mask=self.mask).logits
        difference = self.task.metric(logits)
        return float((difference > 0).float().mean()), float(difference.sigmoid().mean())


def tried_in_the_model(prompts):
    """Return a choice of features: of those that tell best, what hurts the task most."""

    def selection(dictionary, X, y):
        scores = auroc_scores(dictionary.transform(X), y) - 10
        for feature in np.argsort(-scores)[:N_TRIED]:
            only = np.eye(len(scores))[feature]
            eraser = FeatureEraser(dictionary, selection=lambda *_, only=only: only).fit(X, y)
            scores[feature] = -prompts.measure(eraser)[1]
        return scores

    return selection


def erasers(rows, train, X, y, args, seed):
    """Return the fitted erasers of a layer by name."""
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


def records_of(layer, seed, args, pair, texts):
    """Return a record for each method at a layer."""
    hook_point, tokenizer = f"resid_post.{layer}", pair[1]
    fit_on, measured = (
        make_pronouns(n, tokenizer, introduce=args.introduce, random_state=state)
        for n, state in ((args.n_train, 1000 + seed), (args.n_test, seed))
    )
    agreement = make_agreement(args.n_test, tokenizer, random_state=seed)
    train, test = (Prompts(pair, hook_point, task) for task in (fit_on, measured))
    other = Prompts(pair, hook_point, agreement, from_difference=False)
    extractor = ActivationExtractor(pair, hook_point, max_length=args.max_length)
    rows = extractor.fit_transform(texts[: args.n_texts])
    X, y, _ = train.rows(fit_on.genders)
    fitted = erasers(rows, train, X, y, args, seed)
    X_test, y_test, prompts = test.rows(measured.genders)
    report = erasure_report(
        fitted,
        X_test,
        y_test,
        groups=prompts,
        model=pair,
        hook_point=hook_point,
        texts=texts[-args.n_damage :],
        max_length=args.max_length,
        random_state=seed,
    )
    records = []
    for record in report:
        eraser = fitted.get(record["eraser"])
        accuracy, probability = test.measure(eraser)
        task = {"pronouns": accuracy, "p_right": probability, "agreement": other.measure(eraser)[0]}
        records.append({"layer": layer, "seed": seed} | record | task)
    return records


def draw(records, path):
    """Draw the task after erasure, and the damage, by layer."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    layers = sorted({record["layer"] for record in records})
    panels = ("p_right", "kl_divergence", "relative_edit")
    titles = ("probability of the right pronoun", "KL on stories, nats a token", "relative edit")
    for axis, measure, title in zip(axes, panels, titles, strict=True):
        for name, style in STYLES.items():
            means = [
                np.mean([r[measure] for r in records if (r["layer"], r["eraser"]) == (layer, name)])
                for layer in layers
            ]
            axis.plot(layers, means, style, label=name)
        axis.set(xlabel="layer", title=title, xticks=layers)
    none = np.mean([r["p_right"] for r in records if r["eraser"] == "none"])
    axes[0].axhline(none, color="0.7", label="nothing erased")
    axes[0].axhline(0.5, color="0.7", linestyle=":", label="chance")
    axes[1].set_yscale("log")
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=150)


def main():
    """Run all layers and seeds."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    stories = load_stories()
    pair = load_model(args.model or stories.model, device=torch.device("cpu"))
    texts = stories.texts
    if args.text:
        parts = args.text.read_text(encoding="utf-8").split("<|endoftext|>")
        texts = [part.strip() for part in parts if part.strip()]
    # The bundled texts come kind by kind.
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]
    records = []
    for layer in args.layers:
        for seed in args.seeds:
            records += records_of(layer, seed, args, pair, texts)
            for record in records[-len(STYLES) - 1 :]:
                numbers = {k: round(v, 3) for k, v in record.items() if isinstance(v, float)}
                print(layer, seed, record["eraser"], numbers, flush=True)
        # After each layer, so that a run that is cut short leaves what it has.
        write(records, args.out)


def write(records, folder):
    """Write the table and the figure."""
    with (folder / "erasure.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    draw(records, folder / "erasure.png")


if __name__ == "__main__":
    main()
