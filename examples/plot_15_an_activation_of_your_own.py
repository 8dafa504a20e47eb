"""
How do I train with an activation of my own?
============================================

Suppose that features come in opposite pairs: *up* along a direction means one thing, *down* its
opposite. A dictionary with nonnegative codes needs two features for each pair. One that keeps the
k pre-activations with the largest *absolute* value needs only one. skdict does not include this
activation, but accepts it as an object.
"""

# %%
# The activation
# --------------
# The class defines which pre-activations of a row are selected, their codes, and how slopes of the
# loss along codes become slopes along pre-activations. ``frozen`` returns the selection that
# ``transform``, ``to_torch`` and ``save_dictionary`` use after training.
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import Nonlinearity
from skdict.metrics import feature_recovery


class SignedTopK(Nonlinearity):
    """Activation that keeps the k pre-activations of a row with the largest absolute value."""

    def __init__(self, k):
        self.k = k

    def select(self, pre, eligible, group):
        """Set all but the k largest to zero."""
        kept = pre.abs().topk(self.k).indices
        pre.copy_(torch.zeros_like(pre).scatter(-1, kept, pre.gather(-1, kept)))

    def values(self, pre, learned, out=None):
        """Return the selected pre-activations unchanged."""
        return pre.clone() if out is None else out.copy_(pre)

    def backward(self, codes, slopes, learned):
        """Return the slopes of the selected entries, and 0 elsewhere."""
        return slopes.masked_fill_(codes.values == 0, 0), {}

    def frozen(self, tensors, rows):
        """Return the same selection for inference."""
        return {"k": self.k, "signed": True}


# %%
# Features that come in opposite pairs
# ------------------------------------
# In each row, three of 64 planted directions are active on average, each up or down.
FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
data = make_sparse_features(
    2_000 if FAST else 60_000, n_features=32, n_components=64, n_active=3, random_state=0
)
codes = data.codes.toarray()
codes *= np.random.default_rng(0).choice([-1, 1], codes.shape)
X = (codes @ data.components).astype(np.float32)

# %%
# Three dictionaries
# ------------------
# All three keep three codes per row.
settings = {"max_iter": 1 if FAST else 10, "random_state": 0}
topk = {"activation": "topk", "target_l0": 3}
dictionaries = {
    "signed top-k, 64": SparseDictionaryAutoencoder(64, activation=SignedTopK(3), **settings),
    "top-k, 64": SparseDictionaryAutoencoder(64, **topk, **settings),
    "top-k, 128": SparseDictionaryAutoencoder(128, **topk, **settings),
}
recovered, fvu = {}, {}
for name, dictionary in dictionaries.items():
    dictionary.fit(X)
    both = np.vstack([dictionary.components_, -dictionary.components_])
    recovered[name] = feature_recovery(both, data.components)
    fvu[name] = 1 - dictionary.score(X)
    print(f"{name} features: {recovered[name]:.0%} of the directions, FVU {fvu[name]:.3f}")

# %%
# The answer
# ----------
# Write one class with four short methods. Signed codes find nearly all directions with one feature
# each. Nonnegative codes find half as many with the same number of features, because each end of a
# pair takes one; with twice the features they catch up.
fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for ax, values, label in zip(axes, (recovered, fvu), ("directions recovered", "FVU"), strict=True):
    ax.barh(list(values), list(values.values()), color=["C1", "C0", "C0"])
    ax.set(xlabel=label)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(xlim=(0, 1), xticks=(0, 0.5, 1))
axes[0].invert_yaxis()
plt.show()
