"""
Can a language model explain features?
======================================

A language model can be asked to say what a feature fires on, and asked again, by its words
alone, to predict the feature on other text. How well it predicts is the score of its words.
Which model is asked is a matter of one argument; here it is the smallest one there is, and
the score must show that.
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
# Whom to ask
# -----------
# A client has one method, ``complete``. ``TransformersClient`` asks any causal model on
# this machine; ``OpenAIClient("gpt-4o")`` asks an endpoint, a server of your own included;
# a plain function will do, too. ``ManagedClient`` around any of them keeps replies on disk
# and a budget.
#
# Here it asks the bundled story model, so that the page runs anywhere. That model has one
# million parameters, knows only stories and follows no instructions.
client = TransformersClient(stories.model)

# %%
# Asking
# ------
# The explainer sees a few windows with the feature's codes. The simulator sees the words
# and other windows without codes. (A capable model is shown worked examples first,
# ``n_shots=3``, and windows of 64 tokens: these are short for the sake of a model that
# reads 512 tokens at most.)
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
# The same features, explained by rules and scored on windows of the same kind.
rules = FeatureInterpreter(sae, sampling="top_and_random", **options).fit(acts)
print(f"asked: {asked.mean_score_:.2f}; rules: {rules.mean_score_:.2f}")

# %%
# The answer
# ----------
# This one cannot: what it says is a piece of a story, and its score is what chance gives.
# Rules explain the same features well. That is what the score is for: words are not
# believed because they were said, and a model that explains nothing is found out. Pass a
# client of a capable model and nothing else on this page changes.
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
rng = np.random.default_rng(0)
for row, fitted in enumerate([rules, asked]):
    scores = np.nan_to_num(fitted.scores_)
    ax.plot(scores, row + rng.uniform(-0.1, 0.1, len(scores)), "o", alpha=0.6, color="#5b3f91")
    ax.plot([scores.mean()] * 2, [row - 0.3, row + 0.3], color="black", linewidth=2)
ax.axvline(0, color="0.6", linestyle=":")
ax.set_yticks([0, 1], ["rules", "story model"])
ax.set(xlabel="score of each feature's explanation (line: mean; dotted: chance)")
ax.set(xlim=(-0.6, 1), ylim=(-0.5, 1.5), title="The score tells who can explain")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
