"""
Does it recover planted features?
=================================

Nobody knows the true features of a language model, so this example starts with data whose
features are known. Each row is a sum of a few planted unit directions, of which there are
twice as many as dimensions. A method recovers a feature if one of its own directions points
along the planted one.
"""

# %%
# The data
# --------
# On average three of 128 planted features fire on a row of 64 dimensions. With more features
# than dimensions, no basis can represent them all; an overcomplete dictionary can.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA, FastICA

from skdict import RandomDictionary, SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import dictionary_atoms
from skdict.metrics import feature_recovery, max_cosine_similarity

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
data = make_sparse_features(
    2_000 if FAST else 60_000, n_features=64, n_components=128, n_active=3, random_state=0
)
print(f"{data.codes.nnz / len(data.X):.2f} features fire on a row of {data.X.shape[1]} dimensions")

# %%
# Four methods
# ------------
# All four are scikit-learn estimators. The sparse dictionary has twice as many components as
# there are features, because the number of features is unknown in real data.
methods = {
    "sparse dictionary": SparseDictionaryAutoencoder(
        32 if FAST else 256, max_iter=1 if FAST else 10, random_state=0
    ),
    "ICA": FastICA(max_iter=200, tol=0.5 if FAST else 1e-2, random_state=0),
    "PCA": PCA(random_state=0),
    "random directions": RandomDictionary(256, random_state=0),
}
for method in methods.values():
    method.fit(data.X)

# %%
# Cosines with the truth
# ----------------------
# For each planted feature, compute the cosine with the nearest learned direction.
# ``dictionary_atoms`` returns the decoder directions of any method. Directions of signed
# methods may match with either sign.
best = {}
for name, method in methods.items():
    atoms = dictionary_atoms(method)
    if name in ("PCA", "ICA"):
        atoms = np.vstack([atoms, -atoms])
    best[name] = np.sort(max_cosine_similarity(data.components, atoms))
    print(f"{name}: {feature_recovery(atoms, data.components):.0%} of the features recovered")

# %%
# The answer
# ----------
# Each curve shows the planted features for one method, worst first. Features above the dotted
# line count as recovered. The sparse dictionary finds almost all of them. ICA can find at most
# half, since it learns as many directions as there are dimensions. PCA's directions are hardly
# nearer than random ones: directions of high variance are not features.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, cosines in best.items():
    ax.plot(np.linspace(0, 100, len(cosines)), cosines, label=name, linewidth=2)
ax.axhline(0.9, color="black", linestyle=":", linewidth=1)
ax.annotate("recovered", (1, 0.86), fontsize=9)
ax.set(xlabel="planted features, worst first (%)", ylabel="cosine of the nearest direction")
ax.set(xlim=(0, 100), ylim=(0, 1.02), title="The sparse dictionary recovers the planted features")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", frameon=False)
plt.show()
