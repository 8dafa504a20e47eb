"""
Which plots describe a dictionary?
==================================

Each Display draws one plot and follows scikit-learn's convention: a class method computes, ``plot``
draws, and ``ax_`` and ``figure_`` can be changed afterwards. This page shows all eight for a
dictionary of the bundled model, next to PCA where a comparison makes sense.
"""

# %%
# The dictionary
# --------------
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from transformers import AutoTokenizer

from skdict import (
    ActivationExtractor,
    FeatureStatistics,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
    patching_curve,
    sparse_dictionary_path,
)
from skdict.datasets import make_ioi
from skdict.inspection import (
    AlphaPathDisplay,
    DictionarySimilarityDisplay,
    FeatureDensityDisplay,
    FeatureMapDisplay,
    InputHistogramDisplay,
    InterpretabilityDisplay,
    PatchingCurveDisplay,
    TrainingHistoryDisplay,
)
from skdict.interpretation import InterpretabilityScorer

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (24, 32, 1) if FAST else (300, 256, 5)
stories = load_stories()
hook_point = "resid_post.3"
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
train, test = acts[acts.documents % 3 != 0], acts[acts.documents % 3 == 0]
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(train)
pca = PCA(64).fit(np.asarray(train))

# %%
# Has training converged?
TrainingHistoryDisplay.from_estimator(sae)

# %%
# How often do features fire? Nearly all fire on 1 to 10 % of tokens.
FeatureDensityDisplay.from_estimator(sae, test)

# %%
# What does alpha trade off? The number of active codes against the unexplained variance.
alphas = np.geomspace(0.05, 0.5, 3)
path = sparse_dictionary_path(
    train, alphas, n_components=n_components, max_iter=max_iter, random_state=0
)
AlphaPathDisplay.from_path(path, test)

# %%
# What does one feature fire on? Choose the feature with the largest share on a single token, among
# those that are not rare. Where its codes are large, there is little but that token.
statistics = FeatureStatistics.from_estimator(sae, test)
common = np.flatnonzero(statistics.counts_ > len(test) // 200)
feature = int(common[np.argmax(statistics.single_token_share_[common])])
InputHistogramDisplay.from_estimator(sae, test, feature)

# %%
# Which features are close to each other? Directions are reduced by PCA, then t-SNE.
FeatureMapDisplay.from_estimator(
    sae, values=np.where(statistics.density_ > 0, statistics.density_, np.nan), label="Density"
)

# %%
# Do two dictionaries find the same features? The larger dictionary contains most features of the
# smaller one, but not PCA's axes.
smaller = SparseDictionaryAutoencoder(n_components // 2, max_iter=max_iter, random_state=1)
DictionarySimilarityDisplay.from_estimators(
    {"half as many": smaller.fit(train), "sparse": sae, "PCA": pca}
).plot()

# %%
# Whose features are easier to explain, at the same number of codes per token?
table = compare_dictionaries(
    {"sparse": sae, "PCA": pca},
    train,
    test,
    n_active=8,
    scorers=[InterpretabilityScorer(n_features=4 if FAST else 60, random_state=0)],
)
InterpretabilityDisplay.from_comparison(table).plot()

# %%
# The answer
# ----------
# Which features cause a behaviour? The last plot patches one feature after another, in order of
# attribution, between prompts with different names. PCA's axes do more here: the gradient alone is
# a poor guide among sparse features, most of which are silent on both prompts. Together, the eight
# plots cover training, sparsity, single features, similarity, interpretability and causal effect.
task = make_ioi(2 if FAST else 10, AutoTokenizer.from_pretrained(stories.model), random_state=0)
curves = {
    name: patching_curve(
        stories.model, hook_point, dictionary, task, order="attribution", max_features=48
    )
    for name, dictionary in {"sparse": sae, "PCA": pca}.items()
}
PatchingCurveDisplay.from_curves(curves).plot()
plt.show()
