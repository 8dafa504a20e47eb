"""
Can a concept be erased from a model?
=====================================

A concept is erased from activations if no linear classifier can predict it any more. Everything
else should stay unchanged. Here the concept is the gender of a person, at the position before a
pronoun.
"""

# %%
# Rows with a concept
# -------------------
# ``make_pronouns`` makes prompts that continue with "she" or "her", "he" or "his". The activation
# at the last token is a row; its label is the person in the prompt, a girl or a boy.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from transformers import AutoTokenizer

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.datasets import make_pronouns
from skdict.interventions import LEACE, FeatureEraser, erasure_report

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter, n_prompts = (20, 32, 1, 60) if FAST else (500, 512, 10, 400)
stories = load_stories()
tokenizer = AutoTokenizer.from_pretrained(stories.model)
task = make_pronouns(n_prompts, tokenizer, random_state=0)
hook_point = "resid_post.2"
last = ActivationExtractor(stories.model, hook_point, pooling="last")
X = last.fit_transform(task.prompts)
answers = [right.strip() for right, wrong in task.answers]
gender = np.where(np.isin(answers, ["she", "her"]), "girl", "boy")
print(task.prompts[0], "->", answers[0], f"({gender[0]})")

# %%
# Erasers
# -------
# LEACE removes as little of each row as it can without leaving a linear trace. Projection along the
# difference of means leaves none either, with a larger edit. ``FeatureEraser`` removes one feature
# of a dictionary that was fitted on stories, without the concept. That feature can be inspected,
# unlike a direction of LEACE.
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(acts)
frozen = FrozenEstimator(sae)  # keeps the fitted dictionary when erasers are cloned
erasers = {
    "LEACE": LEACE(),
    "difference of means": LEACE(method="orthogonal"),
    "one feature": FeatureEraser(frozen),
    "four features": FeatureEraser(frozen, n_features=4),
}

# %%
# Erasure and damage
# ------------------
# Erasers and probes are fitted on one part of the rows and measured on the other. Each eraser is
# also applied inside the model on ordinary stories, to measure how much worse it predicts them.
held_out = stories.texts[n_texts : n_texts + (4 if FAST else 40)]
records = erasure_report(
    erasers,
    X,
    gender,
    model=stories.model,
    hook_point=hook_point,
    texts=held_out,
    random_state=0,
)
for record in records:
    print(
        f"{record['eraser']:>20}: probe {record['linear']:.2f} (chance {record['chance']:.2f}),"
        f" edit {record['relative_edit']:.3f},"
        f" +{record['cross_entropy_increase']:.4f} nats per token"
    )

# %%
# The answer
# ----------
# Lower is more thoroughly erased, left is gentler. Both linear erasers leave the probe at chance.
# LEACE edits these rows least, yet damages stories more than the difference of means does: it is
# the smallest edit of the rows it was fitted on, and stories are different rows. Removing one
# feature or four leaves the probe about as accurate as before: in this dictionary, gender does not
# lie along a few directions.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for record in records:
    x, y = record["cross_entropy_increase"], record["linear"]
    ax.plot(x, y, "o", color="#5b3f91", markersize=8)
    ax.annotate(record["eraser"], (x, y), (8, 5), textcoords="offset points", fontsize=9)
ax.axhline(records[0]["chance"], color="0.5", linestyle=":", label="chance")
ax.set(xlabel="damage on ordinary stories (nats per token)", ylim=(0.4, 1.05))
ax.set(ylabel="accuracy of a linear probe", title="Erasing gender: what remains and what it costs")
ax.margins(x=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="center right")
plt.show()
