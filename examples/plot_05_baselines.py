"""
Is it better than PCA and ICA?
==============================

With all of its components PCA reconstructs everything, but all of its codes are active. A fair
comparison needs equal sparsity: how much of a row do its k strongest codes explain, for each
method?
"""

# %%
# Methods
# -------
# Any estimator with ``components_``, ``transform`` and ``inverse_transform`` can be compared,
# without a wrapper: scikit-learn's decompositions, skdict's baselines, or a Pipeline that ends
# in one of them.
import os

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA, FastICA

from skdict import (
    ActivationExtractor,
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
)

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
stories = load_stories()
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (400, 512, 10)
texts = stories.texts[:n_texts]
acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(texts)
train, test = acts[acts.documents % 5 != 4], acts[acts.documents % 5 == 4]
methods = {
    "sparse dictionary": SparseDictionaryAutoencoder(
        n_components, max_iter=max_iter, random_state=0
    ),
    "ICA": FastICA(max_iter=500, tol=0.5 if FAST else 1e-2, random_state=0),
    "PCA": PCA(random_state=0),
    "random directions": RandomDictionary(n_components, random_state=0),
    "neurons": IdentityDictionary(),
}

# %%
# Without equal sparsity
# ----------------------
# The column ``l0`` shows why this first table is not a fair comparison.
for method in methods.values():
    method.fit(train)
print(compare_dictionaries(methods, None, test))

# %%
# At equal sparsity
# -----------------
# With ``n_active``, each row keeps that many of its strongest codes, ranked by what each adds to
# the row. A list gives a record per number. The dictionary was fitted at one alpha, at which
# about a dozen codes are active per token, so it gains nothing beyond that; a smaller alpha
# would.
n_active = [1, 2, 4, 8, 16, 32]
table = compare_dictionaries(methods, None, test, n_active=n_active)
print(table)

# %%
# The answer
# ----------
# Lower is better. With few codes the sparse dictionary explains most, and ICA comes second. With
# dozens of active codes ICA and PCA catch up: with as many codes as dimensions they are exact.
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name in methods:
    fvu = [table[name, k]["fvu"] for k in n_active]
    width = 3 if name == "sparse dictionary" else 1.5
    ax.plot(n_active, fvu, "o-", label=name, linewidth=width, markersize=4)
ax.set_xscale("log", base=2)
ax.set_xticks(n_active, n_active)
ax.set(xlabel="active codes per token", ylabel="FVU on held-out texts", ylim=(0, None))
ax.set(title="At equal sparsity the sparse dictionary leaves least unexplained")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
