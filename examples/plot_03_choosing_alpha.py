"""
Which alpha?
============

Alpha weighs sparsity against reconstruction. Reconstruction alone cannot choose it: the
fraction of variance unexplained (FVU) falls with alpha all the way, so the smallest alpha
always wins. A rule has to say how much FVU a sparser dictionary may cost.
"""

# %%
# Rows, and groups
# ----------------
# ``acts.documents`` tells which text a row comes from. It is the ``groups=`` of every
# splitter below: no fold is tested on the neighbour of a token it has seen.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, GroupKFold

from skdict import (
    ActivationExtractor,
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
    load_stories,
    sparse_dictionary_path,
)
from skdict.metrics import DictionaryScorer, knee, nearest_l0, sparsest_within

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
stories = load_stories()
texts = stories.texts[: 20 if FAST else 150]
acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(texts)
train, test = acts[acts.documents % 5 != 4], acts[acts.documents % 5 == 4]
alphas = np.geomspace(0.03, 0.5, 3 if FAST else 5)
options = {"n_components": 256, "max_iter": 3, "random_state": 0}
if FAST:
    options |= {"n_components": 16, "max_iter": 1, "batch_size": 64}

# %%
# A path
# ------
# The quickest look: a dictionary for each alpha, in one pass over the rows.
path = sparse_dictionary_path(train, alphas, **options)
measures = path.measure(test)
for alpha, fvu, l0 in zip(path.alphas, measures["fvu"], measures["l0"], strict=True):
    print(f"alpha {alpha:.3f}: FVU {fvu:.3f}, {l0:5.1f} active codes a token")

# %%
# A search
# --------
# scikit-learn's own search does it with cross-validation. ``DictionaryScorer`` measures
# everything in one pass, and the rule goes to ``refit=``: here the sparsest dictionary that
# leaves at most a quarter of the variance.
budget = 0.95 if FAST else 0.25
search = GridSearchCV(
    SparseDictionaryAutoencoder(**options),
    {"alpha": alphas},
    scoring=DictionaryScorer(),
    refit=sparsest_within(max_fvu=budget),
    cv=GroupKFold(2),
).fit(train, groups=train.documents)
print("chosen by the search:", search.best_params_)

# %%
# Both at once
# ------------
# ``SparseDictionaryAutoencoderCV`` trains a path on each fold: the same answer, with the
# rows read once for all alphas.
chosen = SparseDictionaryAutoencoderCV(
    alphas, cv=GroupKFold(2), selection=sparsest_within(max_fvu=budget), **options
).fit(train, groups=train.documents)
print("chosen by the path:  ", {"alpha": chosen.alpha_})

# %%
# The answer
# ----------
# Every alpha is a point on the curve; left is sparser, down is better. There is no best
# one, only a best one *for a rule*: the sparsest within a budget, the nearest to a number
# of active codes, or the bend of the curve.
results = search.cv_results_
fvu, l0 = results["mean_test_fvu"], results["mean_test_l0"]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(l0, fvu, "o-", color="0.6", label="_each alpha")
for alpha, x, y in zip(alphas, l0, fvu, strict=True):
    ax.annotate(f"alpha {alpha:.2f}", (x, y), (6, 6), textcoords="offset points", fontsize=8)
rules = {
    f"sparsest within FVU {budget}": (sparsest_within(max_fvu=budget), "s", 17),
    "nearest to 20 active codes": (nearest_l0(20), "D", 13),
    "knee": (knee(), "o", 9),
}
for name, (rule, marker, size) in rules.items():
    index = rule(results)
    ax.plot(l0[index], fvu[index], marker, markersize=size, fillstyle="none", mew=2, label=name)
ax.set(xscale="log", xlabel="active codes a token (L0)", ylabel="FVU on held-out texts")
ax.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
ax.minorticks_off()
ax.set(title="A rule chooses a point; FVU alone would take the last one on the right")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, labelspacing=0.9)
plt.show()
