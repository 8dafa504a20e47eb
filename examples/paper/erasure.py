r"""
Can one feature carry a concept?
================================

The gender of a person in a story is erased from the residual stream, and the model has to continue
with a pronoun, as in the erasure experiment of the first version of Cunningham et al. (2023). In
the prompts of the bundled model, a name that it knows reveals the gender; other models first read
that the person is a girl or a boy, because a name alone tells them too little. Each method is
fitted on the prompts of one seed and measured on others:

``LEACE``, ``mean projection``
    the smallest edit that leaves no linear trace, and the projection along the difference of means;
``feature, project`` and ``feature, zero``
    one feature of a sparse dictionary, its direction projected out or its code set to zero;
``random, project``
    the best of the same number of random directions, selected in the same way.

The feature is selected among the eight that rank the genders best, as the one whose erasure lowers
the probability of the right pronoun most on 96 of the prompts it is fitted on. Edits act from the
first word that reveals the gender. Damage is measured on number agreement, and in nats per token on
the documents to measure on, where all tokens are edited.

Writes ``erasure.csv`` with one line per block, seed and method, ``erasure_summary.csv`` and
``erasure.png``::

    python examples/paper/erasure.py --out paper
    python examples/paper/erasure.py --model smollm2 --text wikitext.txt --out smollm2
"""

from argparse import BooleanOptionalAction
from contextlib import nullcontext

import numpy as np
import torch
from common import complete, paper_parser, save_figure, summarize, with_interval, write_table
from methods import fitted_baseline, fitted_sparse
from settings import size
from workspace import Workspace

from skdict.datasets import make_agreement, make_pronouns
from skdict.interventions import LEACE, FeatureEraser, erasure_report, intervene
from skdict.models import capture, find_hook_point

# Number of features that are tried in the model, and of prompts they are tried on: every template
# with either gender, eight times.
N_TRIED, N_TRIAL_PROMPTS = 8, 96
BATCH = 32  # prompts per forward pass
ERASER_STYLES = {
    "LEACE": "k-o",
    "mean projection": "C7-s",
    "feature, project": "C0-o",
    "feature, zero": "C0--v",
    "random, project": "C1-^",
}


def parse_args():
    """Return the command-line options."""
    parser, setting = paper_parser(__doc__)
    parser.add_argument(
        "--introduce",
        action=BooleanOptionalAction,
        help="introduce unknown names as girl or boy (default: if --model is given)",
    )
    parser.add_argument("--layers", type=int, nargs="+", default=setting.layers)
    parser.add_argument("--n-fit", type=int, default=size(400, 40), help="prompts to fit on")
    parser.add_argument("--n-test", type=int, default=size(200, 40), help="prompts to measure on")
    parser.add_argument("--n-damage", type=int, default=size(60, 10), help="texts for the damage")
    args = parser.parse_args()
    if args.introduce is None:
        args.introduce = args.model is not None
    return args


class Prompts:
    """Prompts at one hook point of a model: their rows, and the model's answers under an edit.

    Parameters
    ----------
    pair : (PreTrainedModel, PreTrainedTokenizerBase)
        Model and tokenizer.
    hook_point : str
        Hook point that is read and edited.
    task : Bunch
        Result of `make_pronouns` or `make_agreement`.
    from_difference : bool, default=True
        If True, edit from the first token that differs from the counterfactual. Otherwise edit
        all tokens but the first.
    """

    def __init__(self, pair, hook_point, task, *, from_difference=True):
        self.model, self.hook_point = pair[0], hook_point
        if any(len(ids) > 1 for both in task.answer_ids for ids in both):
            raise SystemExit("an answer has several tokens; use a model that has words as tokens")
        self.answers = torch.from_numpy(np.concatenate(task.answer_ids, axis=1).T)
        # Every prompt occurs twice, followed by either answer, which this experiment leaves out.
        self.ids = torch.from_numpy(task.input_ids[::2, :-1])
        self.mask = torch.from_numpy(task.attention_mask[::2, 1:])
        self.flags = np.zeros(self.ids.shape, dtype=bool)
        for i, ids in enumerate(task.prompt_ids):
            start = task.differing_positions[i][0] if from_difference else 1
            self.flags[i, max(start, 1) : len(ids)] = True

    def _run(self, eraser, n_prompts):
        """Yield rows at the hook point and logits after the prompt, for each batch."""
        points = {"x": find_hook_point(self.model, self.hook_point)}
        for start in range(0, n_prompts, BATCH):
            part, edited = slice(start, min(start + BATCH, n_prompts)), nullcontext()
            if eraser is not None:
                options = {"positions": self.flags[part]}
                edited = intervene(self.model, self.hook_point, None, eraser, **options)
            ids, mask = self.ids[part], self.mask[part]
            with torch.no_grad(), edited, capture(points, stop=False) as values:
                logits = self.model(ids, attention_mask=mask).logits
            yield values["x"], logits[torch.arange(len(ids)), mask.sum(dim=1) - 1]

    def rows(self, labels):
        """Return the rows where edits act, and the label and the prompt of each."""
        prompts = np.nonzero(self.flags)[0]
        rows = torch.cat([x for x, _ in self._run(None, len(self.ids))])
        return rows[torch.from_numpy(self.flags)].numpy(), labels[prompts], prompts

    def measure(self, eraser=None, n_prompts=None):
        """Return the accuracy and the mean probability of the right answer out of two."""
        n_prompts = min(n_prompts or len(self.ids), len(self.ids))
        logits = torch.cat([last for _, last in self._run(eraser, n_prompts)])
        right, wrong = logits.gather(1, self.answers[:n_prompts]).T
        difference = right - wrong
        return float((difference > 0).float().mean()), float(difference.sigmoid().mean())


def tried_in_the_model(prompts):
    """Return a selection: of the most predictive features, the one that hurts the task most."""

    def selection(dictionary, X, y):
        # Below all probabilities, so that features that were not tried are not selected.
        scores = FeatureEraser(dictionary).fit(X, y).scores_ - 10
        for feature in np.argsort(-scores)[:N_TRIED]:
            only = np.eye(len(scores))[feature]
            eraser = FeatureEraser(dictionary, selection=lambda *_, only=only: only).fit(X, y)
            scores[feature] = -prompts.measure(eraser, N_TRIAL_PROMPTS)[1]
        return scores

    return selection


def erasers(dictionaries, prompts, X, y):
    """Return the fitted erasers of a layer, by name."""
    sparse, random = dictionaries
    chosen = FeatureEraser(sparse, selection=tried_in_the_model(prompts)).fit(X, y)
    best = chosen.scores_
    return {
        "LEACE": LEACE().fit(X, y),
        "mean projection": LEACE("orthogonal").fit(X, y),
        "feature, project": chosen,
        "feature, zero": FeatureEraser(sparse, method="zero", selection=lambda *_: best).fit(X, y),
        "random, project": FeatureEraser(random, selection=tried_in_the_model(prompts)).fit(X, y),
    }


def measured(workspace, layer, seed):
    """Return a record per method at a layer."""
    args, pair, hook_point = workspace.args, workspace.pair, f"resid_post.{layer}"
    fit_on, asked = (
        make_pronouns(n, pair[1], introduce=args.introduce, random_state=state)
        for n, state in ((args.n_fit, 1000 + seed), (args.n_test, seed))
    )
    prompts, test = (Prompts(pair, hook_point, task) for task in (fit_on, asked))
    agreement = make_agreement(args.n_test, pair[1], random_state=seed)
    other = Prompts(pair, hook_point, agreement, from_difference=False)
    rows = workspace.rows(hook_point)
    random = fitted_baseline(workspace, "random", rows, seed)
    dictionaries = fitted_sparse(workspace, rows, seed), random
    X, y, _ = prompts.rows(fit_on.genders)
    fitted = erasers(dictionaries, prompts, X, y)
    X_test, y_test, groups = test.rows(asked.genders)
    report = erasure_report(
        fitted,
        X_test,
        y_test,
        groups=groups,
        model=pair,
        hook_point=hook_point,
        texts=workspace.test_texts[: args.n_damage],
        max_length=args.max_length,
        random_state=seed,
    )
    records = []
    for record in report:
        eraser = fitted.get(record["eraser"])
        accuracy, probability = test.measure(eraser)
        task = {"pronouns": accuracy, "p_right": probability, "agreement": other.measure(eraser)[0]}
        records.append(record | task)
    return records


def summary(records):
    """Return the summary table."""
    titles = {
        "p_right": "P(right pronoun)",
        "linear": "linear probe",
        "relative_edit": "relative edit",
        "kl_divergence": "KL on texts",
        "cross_entropy_increase": "cross-entropy increase",
        "agreement": "agreement",
    }
    digits = dict.fromkeys(titles, 2)
    digits |= dict.fromkeys(("relative_edit", "kl_divergence", "cross_entropy_increase"), 3)
    rows = []
    for r in summarize(records, ("layer", "eraser"), list(titles)):
        cells = {t: with_interval(r[m], r[f"{m} +-"], digits[m]) for m, t in titles.items()}
        rows.append({"block": r["layer"], "method": r["eraser"]} | cells)
    return rows


def draw(records, path):
    """Draw the task after erasure and the damage by layer, with intervals over seeds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
    panels = {
        "p_right": "probability of the right pronoun",
        "kl_divergence": "KL on texts (nats per token)",
        "relative_edit": "relative edit",
    }
    for axis, (measure, title) in zip(axes, panels.items(), strict=True):
        for name, style in ERASER_STYLES.items():
            own = [r for r in records if r["eraser"] == name]
            points = summarize(own, ("layer",), (measure,))
            layers = [point["layer"] for point in points]
            means, halves = ([p[key] for p in points] for key in (measure, f"{measure} +-"))
            axis.errorbar(layers, means, halves, fmt=style, label=name, capsize=2, markersize=5)
        axis.set(xlabel="block", title=title, xticks=layers)
    none = np.mean([r["p_right"] for r in records if r["eraser"] == "none"])
    axes[0].axhline(none, color="0.7", label="nothing erased")
    axes[0].axhline(0.5, color="0.7", linestyle=":", label="chance")
    axes[1].set_yscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
    save_figure(figure, path)


def main():
    """Measure all layers and seeds, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [{"layer": layer, "seed": seed} for layer in args.layers for seed in args.seeds]
    records = complete(
        args.out / "erasure.csv", jobs, lambda layer, seed: measured(workspace, layer, seed)
    )
    draw(records, args.out / "erasure.png")
    write_table(summary(records), args.out / "erasure_summary.csv")


if __name__ == "__main__":
    main()
