"""What has fine-tuning added? A crosscoder of the bundled model and its fine-tuned form.

The model is fine-tuned on its own stories with a new habit: after a sentence with "said", it adds
"(oh my stars)". Both models read held-out stories with the habit, and a crosscoder is fitted to
one layer of each. Printed for features of the fine-tuned model only, of both and of the base only:
the share of their code mass on tokens of the habit and the one before, next to the share of such
tokens among all, and the windows of the features of the fine-tuned model.

Run: python tests/benchmarks/fine_tuned_pair.py
"""

import argparse
import re
import time

import numpy as np
import torch
from measuring import print_table
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.feature_extraction import join_activations

HABIT = " (oh my stars)"
# Share of the squared norm above which a feature belongs to one model.
EXCLUSIVE = 0.8


def with_habit(text):
    """Return a story with the habit after each sentence that contains "said"."""
    return re.sub(r"(\bsaid\b[^.]*\.)", rf"\1{HABIT}", text)


def fine_tune(model, tokenizer, texts, args):
    """Train a model on texts in place, and print the loss at both ends."""
    model.float().train()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
    generator = torch.Generator().manual_seed(args.seed)
    losses = []
    for _ in range(args.steps):
        chosen = torch.randint(len(texts), (args.batch_texts,), generator=generator).tolist()
        options = {"truncation": True, "max_length": args.max_length, "padding": True}
        batch = tokenizer([texts[i] for i in chosen], return_tensors="pt", **options)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    print(
        f"loss of the first 10 steps {np.mean(losses[:10]):.3f}, last {np.mean(losses[-10:]):.3f}"
    )
    return model.eval()


def habit_tokens(acts):
    """Return a mask of the tokens of the habit and of the one before each."""
    pieces = [acts.token(i) for i in range(len(acts))]
    starts = np.cumsum([0, *map(len, pieces)])
    text, mask = "".join(pieces), np.zeros(len(pieces), bool)
    for found in re.finditer(re.escape(HABIT), text):
        first = np.searchsorted(starts, found.start(), side="right") - 1
        mask[max(0, first - 1) : np.searchsorted(starts, found.end())] = True
    return mask


def groups_of(crosscoder):
    """Return masks of the living features of each kind."""
    shares = crosscoder.block_norms_**2
    living = crosscoder.firing_counts_ > 0
    base, tuned = (shares[:, i] >= EXCLUSIVE for i in (0, 1))
    return {
        "fine-tuned only": living & tuned,
        "both": living & ~base & ~tuned,
        "base only": living & base,
    }


def show(crosscoder, rows, args):
    """Print how much the features of each kind are about the habit, and windows of some."""
    codes, habit = crosscoder.transform(rows), habit_tokens(rows)
    mass = np.asarray(codes.sum(axis=0)).ravel()
    on_habit = np.asarray(codes[habit].sum(axis=0)).ravel() / np.maximum(mass, 1e-12)
    groups = groups_of(crosscoder)
    cells = [
        [name, int(group.sum()), (on_habit[group] > 0.5).mean(), np.median(on_habit[group])]
        for name, group in groups.items()
        if group.any()
    ]
    fvu = crosscoder.history_[-1]["fvu"]
    title = f"{habit.mean():.1%} of {len(rows)} tokens are of the habit; FVU {fvu:.3f}"
    print_table(title, ["features", "number", "share about the habit", "median mass on it"], cells)
    shares = crosscoder.block_norms_[:, 1] ** 2 * (crosscoder.firing_counts_ > 0)
    quantiles = np.quantile(shares[shares > 0], [0.05, 0.5, 0.95, 0.99, 1]).round(2)
    print(f"share of the fine-tuned model: 5, 50, 95, 99 and 100 % quantiles {quantiles}")
    for feature in np.argsort(-shares)[: args.n_shown]:
        column = codes[:, [feature]].toarray()[:, 0]
        windows = " | ".join(str(rows.context(int(i))) for i in np.argsort(-column)[:3])
        told = f"share {shares[feature]:.2f}, on the habit {on_habit[feature]:.0%}"
        print(f"{feature:4d}  {told}  {windows!r}")


def main():
    """Fine-tune, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hook-point", default="resid_post.4")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-texts", type=int, default=16)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--n-texts", type=int, default=800, help="stories to fit on")
    parser.add_argument("--n-components", type=int, default=768)
    parser.add_argument("--target-l0", type=float, default=12)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--n-shown", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start, stories = time.process_time(), load_stories()
    order = np.random.default_rng(args.seed).permutation(len(stories.texts))
    texts = [with_habit(stories.texts[i]) for i in order]
    read, learned = texts[: args.n_texts], texts[args.n_texts :]
    tokenizer = AutoTokenizer.from_pretrained(stories.model)
    base = AutoModelForCausalLM.from_pretrained(stories.model).float().eval()
    tuned = AutoModelForCausalLM.from_pretrained(stories.model)
    tuned = fine_tune(tuned, tokenizer, learned, args)
    print(f"fine-tuned after {time.process_time() - start:.0f} s of processor time", flush=True)
    models = {"base": base, "fine-tuned": tuned}
    options = {"max_length": args.max_length}
    acts = {
        name: ActivationExtractor((model, tokenizer), args.hook_point, **options).fit_transform(
            read
        )
        for name, model in models.items()
    }
    rows, blocks = join_activations(acts)
    crosscoder = SparseDictionaryAutoencoder(
        args.n_components,
        blocks=blocks,
        activation="batch_topk",
        target_l0=args.target_l0,
        max_iter=args.epochs,
        random_state=args.seed,
    ).fit(rows)
    show(crosscoder, rows, args)
    print(f"{time.process_time() - start:.0f} s of processor time in all")


if __name__ == "__main__":
    main()
