"""
Which features carry the name from one run to another?
======================================================

"Then, Ruth and Adam went to the museum. Adam gave a drum to" continues with Ruth, the one who does
not act. Replace Ruth with a third name, and the model predicts that name. The activations must
carry this difference. How few features have to be patched from one run into the other until the
model answers as if it had read the other prompt?
"""

# %%
# The task
# --------
# ``make_ioi`` makes such pairs for the tokenizer of any model: a prompt, its counterfactual of
# equal length, and the right answers.
import os

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA
from transformers import AutoTokenizer

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    SparseDictionaryAutoencoder,
    load_stories,
)
from skdict.datasets import make_ioi
from skdict.interventions import patching_curve

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter, n_prompts = (20, 32, 1, 2) if FAST else (500, 512, 10, 10)
stories = load_stories()
ioi = make_ioi(n_prompts, AutoTokenizer.from_pretrained(stories.model), random_state=0)
print(ioi.prompts[0], "|", ioi.counterfactuals[0], "|", ioi.answers[0][0])

# %%
# Bases
# -----
# The same activations are written in three bases: sparse features, principal components, and
# neurons (the dimensions themselves). Each basis is fitted on stories that do not contain the
# prompts.
hook_point = "resid_post.1"
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
methods = {
    "sparse dictionary": SparseDictionaryAutoencoder(
        n_components, alpha=0.05, max_iter=max_iter, random_state=0
    ),
    "PCA": PCA(random_state=0),
    "neurons": IdentityDictionary(),
}

# %%
# Patching
# --------
# In each basis, features are sorted by attribution, a gradient estimate of their effect, and
# patched one after another: their codes are replaced by those of the other run, at every
# position. ``kl`` is the remaining divergence from the other run's answer. (``order="acdc"`` is
# the paper's search, which is slower and can find better orders.)
curves = {}
for name, method in methods.items():
    method.fit(acts)
    curve = patching_curve(stories.model, hook_point, method, ioi, order="attribution")
    curves[name] = curve
    print(
        f"{name}: {curve.n_features_90:.0f} features reach 90 % of the effect;"
        f" KL {curve.kl_base:.2f} before, {curve.kl[-1]:.2f} after all,"
        f" {curve.kl_error:.2f} with the reconstruction error alone"
    )

# %%
# The answer
# ----------
# The left ends of the curves matter: how much of the difference the first few features carry, and
# with how small an edit. The dictionary leads up to about twenty features, and up to two thirds of
# the full edit. No basis reaches 90 % of the effect with a few features: the dictionary needs most
# of its 512 features, and PCA and neurons most of their 128.
fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
for name, curve in curves.items():
    width = 3 if name == "sparse dictionary" else 1.5
    axes[0].plot(curve.n_patched, curve.kl, label=name, linewidth=width)
    axes[1].plot(curve.relative_edit_magnitude, curve.kl, linewidth=width)
axes[0].set_xscale("symlog", linthresh=1)
axes[0].set(xlabel="features patched", ylabel="KL to the other run (nats)")
axes[1].set(xlabel="length of the edit (1 is the whole difference)")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
fig.suptitle("Features needed to turn one prompt into the other")
plt.show()
