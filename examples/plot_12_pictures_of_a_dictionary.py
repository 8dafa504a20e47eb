"""
How can a dictionary be pictured?
=================================

Each Display draws one view, in scikit-learn's convention: a class method measures, ``plot``
draws, ``ax_`` and ``figure_`` are there to go on with. This page shows all eight, on a
dictionary of the bundled model and, where there is something to compare, beside PCA.
"""

# %%
# What is pictured
# ----------------
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
# Did training settle?
TrainingHistoryDisplay.from_estimator(sae)

# %%
# How often do features fire? Nearly all on 1 to 10 % of tokens.
FeatureDensityDisplay.from_estimator(sae, test)

# %%
# What does alpha buy? Few active codes against what is left unexplained.
alphas = np.geomspace(0.05, 0.5, 3)
path = sparse_dictionary_path(
    train, alphas, n_components=n_components, max_iter=max_iter, random_state=0
)
AlphaPathDisplay.from_path(path, test)

# %%
# What does one feature fire on? The one whose total stands most on a single token, of those
# that are not rare: where its codes are large, there is little but that token.
statistics = FeatureStatistics.from_estimator(sae, test)
common = np.flatnonzero(statistics.counts_ > len(test) // 200)
feature = int(common[np.argmax(statistics.single_token_share_[common])])
InputHistogramDisplay.from_estimator(sae, test, feature)

# %%
# Which features lie together? Directions by PCA, then t-SNE.
FeatureMapDisplay.from_estimator(
    sae, values=np.where(statistics.density_ > 0, statistics.density_, np.nan), label="Density"
)

# %%
# Do two dictionaries find the same? A smaller one's features are mostly found again by the
# larger one; PCA's axes are not.
smaller = SparseDictionaryAutoencoder(n_components // 2, max_iter=max_iter, random_state=1)
DictionarySimilarityDisplay.from_estimators(
    {"half as many": smaller.fit(train), "sparse": sae, "PCA": pca}
).plot()

# %%
# Which is easier to put in words, at as many codes a token?
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
# And which causes a behaviour? Patched one feature after the other, in the order of their
# attribution, from prompts with the names exchanged. Here PCA's axes do more: the gradient
# alone is a poor guide among sparse features, most of which are silent on either prompt.
task = make_ioi(2 if FAST else 10, AutoTokenizer.from_pretrained(stories.model), random_state=0)
curves = {
    name: patching_curve(
        stories.model, hook_point, dictionary, task, order="attribution", max_features=48
    )
    for name, dictionary in {"sparse": sae, "PCA": pca}.items()
}
PatchingCurveDisplay.from_curves(curves).plot()
plt.show()
