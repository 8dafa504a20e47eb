"""
Can a language model explain features?
======================================

A language model can explain in words what a feature fires on, and then predict the feature on
other text from those words alone. The accuracy of the prediction is the score of the explanation.
The model is a single argument. This example uses a tiny one that cannot do the task, and the
score has to show that.
"""

# %%
# A dictionary to explain
# -----------------------
import os

import matplotlib.pyplot as plt
import numpy as np

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.interpretation import FeatureInterpreter, LLMExplainer, LLMSimulator
from skdict.interpretation.llm import TransformersClient

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (12, 16, 1) if FAST else (400, 512, 10)
stories = load_stories()
acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(stories.texts[:n_texts])
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(acts)

# %%
# The client
# ----------
# A client has one method, ``complete``. ``TransformersClient`` runs any causal model on this
# machine; ``OpenAIClient("gpt-4o")`` calls an endpoint, which can be your own server; a plain
# function works too. Wrap any of them in ``ManagedClient`` to cache replies and limit the budget.
#
# This page uses the bundled story model, so that it runs anywhere. The model has one million
# parameters, knows only stories and follows no instructions.
client = TransformersClient(stories.model)

# %%
# Explaining and simulating
# -------------------------
# The explainer sees a few windows with the feature's codes. The simulator sees the explanation
# and other windows without codes. (With a capable model, the prompts include worked examples,
# ``n_shots=3``, and windows of 64 tokens. They are short here because this model reads at most
# 512 tokens.)
options = {"n_features": 1 if FAST else 16, "window": 16, "random_state": 0}
asked = FeatureInterpreter(
    sae,
    explainer=LLMExplainer(client, n_examples=2, window=16, n_shots=0, max_tokens=12),
    simulator=LLMSimulator(client, n_shots=0),
    sampling="top_and_random",
    **options,
).fit(acts)
for feature, explanation in list(zip(asked.features_, asked.explanations_, strict=True))[:3]:
    print(f"feature {feature}: {explanation}")

# %%
# Explain the same features by rules, and score them on windows of the same kind.
rules = FeatureInterpreter(sae, sampling="top_and_random", **options).fit(acts)
print(f"story model: {asked.mean_score_:.2f}; rules: {rules.mean_score_:.2f}")

# %%
# The answer
# ----------
# This one cannot: its explanations are fragments of stories, and its score is at chance. Rules
# explain the same features well. The score thus exposes explanations that explain nothing. Pass a
# client for a capable model, and nothing else on this page changes.
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
rng = np.random.default_rng(0)
for row, fitted in enumerate([rules, asked]):
    scores = np.nan_to_num(fitted.scores_)
    ax.plot(scores, row + rng.uniform(-0.1, 0.1, len(scores)), "o", alpha=0.6, color="#5b3f91")
    ax.plot([scores.mean()] * 2, [row - 0.3, row + 0.3], color="black", linewidth=2)
ax.axvline(0, color="0.6", linestyle=":")
ax.set_yticks([0, 1], ["rules", "story model"])
ax.set(xlabel="score of each feature's explanation (line: mean, dotted: chance)")
ax.set(xlim=(-0.6, 1), ylim=(-0.5, 1.5), title="The score shows which explainer works")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
