"""
Which features live on through the layers?
==========================================

Each block of a transformer adds to one residual stream, so neighbouring layers share much of what
they represent. There are two ways to follow a feature from layer to layer: fit a dictionary for
each layer, starting from the one below, and match features by their codes; or fit one dictionary,
a crosscoder, to all layers side by side.
"""

# %%
# The layers
# ----------
# All layers of the bundled model are read in one pass. Each row belongs to the same token in every
# layer. Texts are held out for measuring.
import os

import matplotlib.pyplot as plt
import numpy as np

from skdict import SparseDictionaryAutoencoder, load_stories
from skdict.decomposition import block_transcoder, fit_layers
from skdict.feature_extraction import extract_activations, join_activations
from skdict.inspection import LayerFeaturesDisplay, summarize_features

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (30, 32, 1) if FAST else (400, 256, 4)
stories = load_stories()
# The bundled stories are sorted by kind.
order = np.random.default_rng(0).permutation(len(stories.texts))[:n_texts]
texts = [stories.texts[i] for i in order]
names = [f"resid_post.{i}" for i in range(5)]
layers = extract_activations(stories.model, names, texts)
is_train = layers[names[0]].documents < n_texts * 4 // 5
train = {name: rows[is_train] for name, rows in layers.items()}
test = {name: rows[~is_train] for name, rows in layers.items()}

# %%
# A dictionary for each layer
# ---------------------------
# ``fit_layers`` fits them upwards, each from the one below. Two features of neighbouring layers are
# the same if their codes on the same tokens correlate; the feature has turned if its direction is
# another one.
options = {"activation": "batch_topk", "target_l0": 8, "max_iter": max_iter, "random_state": 0}
sae = SparseDictionaryAutoencoder(n_components, **options)
stack = fit_layers(sae, train)
for name, dictionary in stack.items():
    print(f"{name}: FVU {1 - dictionary.score(test[name]):.2f}")
display = LayerFeaturesDisplay.from_estimators(stack, test).plot()

# %%
# A feature that persists
# -----------------------
# Follow the features that persist through every pair of layers, and show the one whose directions
# stay closest to each other.
followed, closest = np.arange(n_components), np.ones(n_components)
for match in display.matches:
    kept = (followed >= 0) & (match.kinds[followed] == "persists")
    closest = np.where(kept, np.fmin(closest, match.cosines[followed]), -1)
    followed = np.where(kept, match.partners[followed], -1)
print(f"{(followed >= 0).sum()} of {n_components} features persist through all layers")
feature = int(followed[closest.argmax()])
for summary in summarize_features(
    stack[names[-1]].transform(test[names[-1]]), test[names[-1]], [feature]
):
    print(summary)

# %%
# One dictionary for all layers
# -----------------------------
# A crosscoder encodes all layers at once. Each block of columns has its own scale, so that the
# later layers, whose norms are larger, do not count for more. ``block_norms_`` gives the norm of
# each feature's direction in each layer; the squares of a feature sum to one.
rows, blocks = join_activations(train)
crosscoder = SparseDictionaryAutoencoder(n_components, blocks=blocks, **options).fit(rows)
joined, _ = join_activations(test)
for i, name in enumerate(names):
    print(f"{name}: FVU {1 - block_transcoder(crosscoder, i).score(joined, test[name]):.2f}")

# %%
# The answer
# ----------
# Most features live in all layers: what the first block wrote stays in the residual stream, and its
# share falls only because the stream, by whose norm each layer is divided, grows. A quarter of the
# features begin in a later block, and those at the bottom exist almost only in the last layer.
print("root mean square norms:", (crosscoder.scale_ / np.sqrt(len(names))).round(1))
shares = crosscoder.block_norms_**2
shares = shares[crosscoder.firing_counts_ > 0]
centre = shares @ np.arange(len(names))
fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
image = ax.imshow(shares[np.argsort(centre)], aspect="auto", cmap="cividis", interpolation="none")
ax.set_xticks(range(len(names)), names)
ax.set(ylabel="Feature of the crosscoder, sorted")
fig.colorbar(image, label="Share of its squared norm")
plt.show()
