"""
Which alpha?
============

Alpha weighs sparsity against reconstruction. Reconstruction alone cannot choose it: the
fraction of variance unexplained (FVU) always falls with alpha, so the smallest alpha wins. A
rule has to say how much FVU a sparser dictionary may cost.
"""

# %%
# Rows, and groups
# ----------------
# ``acts.documents`` is the index of each row's text. Every splitter below uses it as
# ``groups=``, so no fold is tested on neighbours of its training tokens.
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
from skdict.metrics import DictionaryScorer, selection_rule

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
# The quickest way is a path: one dictionary per alpha, all fitted on the same batches.
path = sparse_dictionary_path(train, alphas, **options)
measures = path.measure(test)
for alpha, fvu, l0 in zip(path.alphas, measures["fvu"], measures["l0"], strict=True):
    print(f"alpha {alpha:.3f}: FVU {fvu:.3f}, {l0:5.1f} active codes per token")

# %%
# A search
# --------
# scikit-learn's own search uses cross-validation. ``DictionaryScorer`` computes every measure
# in one pass, and ``refit=`` takes the rule: here, the sparsest dictionary with an FVU of at
# most a quarter.
budget = 0.95 if FAST else 0.25
search = GridSearchCV(
    SparseDictionaryAutoencoder(**options),
    {"alpha": alphas},
    scoring=DictionaryScorer(),
    refit=selection_rule(max_fvu=budget),
    cv=GroupKFold(2),
).fit(train, groups=train.documents)
print("chosen by the search:", search.best_params_)

# %%
# Both combined
# -------------
# ``SparseDictionaryAutoencoderCV`` fits a path on each fold. It gives the same answer and
# reads the rows once for all alphas.
chosen = SparseDictionaryAutoencoderCV(
    alphas, cv=GroupKFold(2), selection=selection_rule(max_fvu=budget), **options
).fit(train, groups=train.documents)
print("chosen by the path:  ", {"alpha": chosen.alpha_})

# %%
# The answer
# ----------
# Every alpha is a point on the curve: left is sparser, down is better. No alpha is best in
# itself, only *for a rule*: the sparsest within an FVU budget, the nearest to a number of
# active codes, or the knee of the curve.
results = search.cv_results_
fvu, l0 = results["mean_test_fvu"], results["mean_test_l0"]
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.plot(l0, fvu, "o-", color="0.6", label="_each alpha")
for alpha, x, y in zip(alphas, l0, fvu, strict=True):
    ax.annotate(f"alpha {alpha:.2f}", (x, y), (6, 6), textcoords="offset points", fontsize=8)
rules = {
    f"sparsest within FVU {budget}": (selection_rule(max_fvu=budget), "s", 17),
    "nearest to 20 active codes": (selection_rule(target_l0=20), "D", 13),
    "knee": (selection_rule("knee"), "o", 9),
}
for name, (rule, marker, size) in rules.items():
    index = rule(results)
    ax.plot(l0[index], fvu[index], marker, markersize=size, fillstyle="none", mew=2, label=name)
ax.set(xscale="log", xlabel="active codes per token (L0)", ylabel="FVU on held-out texts")
ax.set_xticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
ax.minorticks_off()
ax.set(title="A rule chooses a point; FVU alone would choose the rightmost")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, labelspacing=0.9)
plt.show()
