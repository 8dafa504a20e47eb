"""
Do features mean anything?
==========================

A feature is interpretable if an explanation in words predicts where it fires. This example writes
explanations by rules, without a language model, and tests them on documents that the rules have
not seen.
"""

# %%
# Explaining one dictionary
# -------------------------
# ``FeatureInterpreter`` splits the documents into three parts. On the first it writes
# explanations of three kinds (tokens, runs of tokens, context), and on the second it chooses
# the best kind for each feature, which it then writes again from both parts. On the third it
# scores the result: the correlation between the predicted and the actual code.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA, FastICA

from skdict import (
    ActivationExtractor,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
)
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
stories = load_stories()
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (600, 512, 10)
texts = stories.texts[:n_texts]
acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(texts)
train, test = acts[acts.documents % 2 == 0], acts[acts.documents % 2 == 1]
n_features = 3 if FAST else 60
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(train)
interpreter = FeatureInterpreter(sae, n_features=n_features, random_state=0).fit(test)
order = np.argsort(-np.nan_to_num(interpreter.scores_))
for index in [*order[:2], order[len(order) // 2]]:
    feature, score = interpreter.features_[index], interpreter.scores_[index]
    print(f"feature {feature}, score {score:.2f}: {interpreter.explanations_[index]}\n")

# %%
# Comparing methods
# -----------------
# The same score as a scorer adds columns to the comparison table. Positive and negative codes of
# PCA and ICA are explained separately. ``shuffled`` is the shuffled-explanation control, which
# gives the chance level.
methods = {
    "sparse dictionary": sae,
    "ICA": FastICA(max_iter=500, tol=0.5 if FAST else 1e-2, random_state=0),
    "PCA": PCA(random_state=0),
    "random directions": RandomDictionary(n_components, random_state=0),
}
scorer = InterpretabilityScorer(n_features=n_features, random_state=0)
table = compare_dictionaries(methods, train, test, n_active=16, scorers=[scorer])

# %%
# The answer
# ----------
# Bars are means over features with 95 % intervals. The darker part is the context gain, the part
# of the score that a list of ten tokens does not reach. Use the score to compare methods on one
# layer with the same limits on the rules. It does not measure usefulness and is not comparable
# with scores from language models: see :doc:`/interpretability`.
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
rows = [table[name] for name in methods]
mean = np.array([row["interpretability"] for row in rows])
error = np.abs(
    np.array([[row["interpretability_low"], row["interpretability_high"]] for row in rows]).T - mean
)
ax.barh(list(methods), mean, color="#b9a5d8", xerr=error, label="by ten tokens")
ax.barh(list(methods), [row["context_gain"] for row in rows], color="#5b3f91", label="context gain")
ax.plot([row["shuffled"] for row in rows], list(methods), "k|", markersize=18, label="chance")
ax.invert_yaxis()
ax.set(xlabel="interpretability (correlation on unseen documents)", xlim=(-0.05, 1))
ax.set(title="Explanations predict features of the sparse dictionary best")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="lower right")
plt.show()
