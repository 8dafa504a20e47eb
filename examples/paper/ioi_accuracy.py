r"""
Does the model solve the task whose features are patched?
=========================================================

Indirect object identification by template: the share of prompts for which the model finds the
indirect object more likely than the subject, by how much, and how far a prompt's output is from
that of its counterfactual, in which another name is the indirect object. That divergence, KL(prompt
|| counterfactual) at the last position in nats, is where the curves of ``patching_curves.py``
start::

    python examples/paper/ioi_accuracy.py --out paper

Writes ``ioi_accuracy.csv`` with one line per template and seed, ``ioi_accuracy_summary.csv`` and
``ioi_accuracy.png``.
"""

import numpy as np
import torch
from common import complete, paper_parser, save_figure, summarize, with_interval, write_table
from ioi import ioi_prompts
from settings import size
from workspace import Workspace

MEASURES = ("accuracy", "logit_diff", "kl")


def parse_args():
    """Return the command-line options."""
    parser, _ = paper_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=size(400, 16), help="over all templates")
    return parser.parse_args()


def last_log_probabilities(model, prompts):
    """Return the log-probabilities of the next token after each prompt."""
    with torch.no_grad():
        logits = [model(torch.from_numpy(np.asarray(ids))[None]).logits[0, -1] for ids in prompts]
    return torch.stack(logits).float().log_softmax(-1)


def answer_differences(model, task):
    """Return how much likelier the right answer is than the wrong one, in nats per prompt."""
    ids, mask = (torch.from_numpy(a) for a in (task.input_ids, task.attention_mask))
    with torch.no_grad():
        logits = [
            model(ids[i : i + 2], attention_mask=mask[i : i + 2]).logits
            for i in range(0, len(ids), 2)
        ]
    return task.metric(torch.cat(logits)).numpy()


def template_of(task, index):
    """Return a prompt as an example of its template."""
    return task.prompts[int(np.flatnonzero(task.templates == index)[0])]


def measured(workspace, args, seed):
    """Yield a record per template."""
    model, tokenizer = workspace.pair
    task = ioi_prompts(args, tokenizer, args.pairs, seed)
    differences = answer_differences(model, task)
    base = last_log_probabilities(model, task.prompt_ids)
    target = last_log_probabilities(model, task.counterfactual_ids)
    divergences = (base.exp() * (base - target)).sum(-1).numpy()
    for template in np.unique(task.templates):
        own = task.templates == template
        yield {
            "template": int(template),
            "example": template_of(task, template),
            "n_prompts": int(own.sum()),
            "accuracy": float((differences[own] > 0).mean()),
            "logit_diff": float(differences[own].mean()),
            "kl": float(divergences[own].mean()),
        }


def written(records):
    """Return the summary table."""
    examples = {r["template"]: r["example"] for r in reversed(records)}
    titles = {"accuracy": "accuracy", "logit_diff": "difference in nats", "kl": "KL in nats"}
    return [
        {"template": r["template"], "a prompt": examples[r["template"]]}
        | {title: with_interval(r[m], r[f"{m} +-"]) for m, title in titles.items()}
        for r in summarize(records, ("template",), MEASURES)
    ]


def draw(records, path):
    """Draw the accuracy and the divergence of each template."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows = summarize(records, ("template",), MEASURES)
    labels = [f"template {r['template']}" for r in rows]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, measure, title in zip(
        axes, ("accuracy", "kl"), ("accuracy", "KL(prompt || counterfactual), nats"), strict=True
    ):
        axis.barh(labels, [r[measure] for r in rows], xerr=[r[f"{measure} +-"] for r in rows])
        axis.set(title=title, xlim=(0, None))
    axes[0].axvline(0.5, color="0.4", linestyle=":")
    axes[0].invert_yaxis()
    save_figure(figure, path)


def main():
    """Measure every seed, and write the tables and the figure."""
    args = parse_args()
    workspace = Workspace(args)
    jobs = [{"seed": seed} for seed in args.seeds]
    records = complete(
        args.out / "ioi_accuracy.csv", jobs, lambda seed: measured(workspace, args, seed)
    )
    draw(records, args.out / "ioi_accuracy.png")
    write_table(written(records), args.out / "ioi_accuracy_summary.csv")


if __name__ == "__main__":
    main()
