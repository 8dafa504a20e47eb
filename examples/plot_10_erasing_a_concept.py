"""
Can a model be made to forget one thing?
========================================

A concept is erased from activations if no linear classifier finds it there any more. One
would like the rest to stay as it was. Here the concept is the gender of a person, where a
pronoun is to come.
"""

# %%
# Rows with a concept
# -------------------
# ``make_pronouns`` makes prompts that go on with "she" or "her", "he" or "his". The
# activation at their last token is a row; its label is whom the prompt is about, a girl or
# a boy.
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
# LEACE takes out of each row the least that leaves no linear trace. Projecting on the
# difference of means leaves none either, by a larger edit. ``FeatureEraser`` takes out one
# feature of a dictionary, which was learned on stories and knows nothing of the concept;
# that feature can be looked at, which a direction of LEACE's cannot.
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(acts)
frozen = FrozenEstimator(sae)  # used as it is: erasers are cloned
erasers = {
    "LEACE": LEACE(),
    "difference of means": LEACE(method="orthogonal"),
    "one feature": FeatureEraser(frozen),
    "four features": FeatureEraser(frozen, n_features=4),
}

# %%
# What is left, and what it costs
# -------------------------------
# Erasers and probes are fitted on one part of the rows and measured on the other. Each
# eraser is also run inside the model on ordinary stories: how much worse does it predict
# them?
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
        f" +{record['cross_entropy_increase']:.4f} nats a token"
    )

# %%
# The answer
# ----------
# Down is more thoroughly erased, left is gentler. Both linear erasers leave the probe at chance.
# LEACE edits these rows least, and yet costs stories more than the difference of means: it is
# the least edit for the rows it was fitted on, and stories are other rows. Taking out one
# feature or four leaves the probe about as good as it was: in this dictionary, gender is not
# written along a few directions.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for record in records:
    x, y = record["cross_entropy_increase"], record["linear"]
    ax.plot(x, y, "o", color="#5b3f91", markersize=8)
    ax.annotate(record["eraser"], (x, y), (8, 5), textcoords="offset points", fontsize=9)
ax.axhline(records[0]["chance"], color="0.5", linestyle=":", label="chance")
ax.set(xlabel="what it costs on ordinary stories (nats a token)", ylim=(0.4, 1.05))
ax.set(ylabel="accuracy of a linear probe", title="What erasing gender leaves, and costs")
ax.margins(x=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="center right")
plt.show()
