"""
Which features make a feature fire?
===================================

A feature of a late block is computed from features of earlier blocks. Ablate one feature of the
earlier block, run the rest of the model, and measure how far the later feature falls. Repeating
this for every feature finds its parents, and repeating it for each parent finds theirs. The
resulting tree is a small circuit whose nodes can be interpreted.
"""

# %%
# Dictionaries after three blocks
# -------------------------------
# Edges run from one dictionary to the next one above it, so a dictionary is fitted after each of
# three blocks, on the same stories. Each feature is labelled with the two tokens that carry the
# largest share of its codes.
import os

import matplotlib.pyplot as plt
import numpy as np

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.interventions import find_circuit

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (300, 512, 5)
stories = load_stories()
texts = stories.texts[:n_texts]
extractors, dictionaries, labels = {}, {}, {}
for block in (1, 2, 3):
    point = f"resid_post.{block}"
    extractors[point] = ActivationExtractor(stories.model, point)
    acts = extractors[point].fit_transform(texts)
    sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(acts)
    codes = sae.transform(acts).tocsc()
    dictionaries[point] = sae
    for feature in range(n_components):
        column = codes[:, [feature]].tocoo()
        total = np.bincount(acts.token_ids[column.row], column.data, len(acts.vocabulary))
        two = [acts.vocabulary[i].strip() or "new line" for i in np.argsort(-total)[:2]]
        labels[point, feature] = " | ".join(two).replace("$", r"\$")

# %%
# A target
# --------
# The target is the feature of the highest dictionary that fires most strongly on a quotation mark
# before somebody speaks.
top = "resid_post.3"
speech = extractors[top].transform(['Tom saw a big ball. Lily said, "'])
target = top, int(np.argmax(dictionaries[top].transform(speech).toarray()[-1]))
print(f"the target is feature {target[1]}, which fires on {labels[target]}")

# %%
# The search
# ----------
# Contexts are sampled in which the target reaches at least half of its maximum. ``relative_drop``
# is the share of the target that disappears when a parent is ablated. Shares need not add up to
# one, because the model in between is not linear.
circuit = find_circuit(
    stories.model, dictionaries, target, texts[:100], n_contexts=8, n_parents=3, random_state=0
)
for edge in circuit.edges:
    parent, child = edge["parent"], edge["child"]
    drop = edge["relative_drop"]
    print(f"{child[0]} {labels[child]:>20}  falls by {drop:4.0%} without  {labels[parent]}")

# %%
# The answer
# ----------
# Line width is the share that disappears with the parent; shares below a tenth are not labelled.
# The target's main parents are two features of the quotation mark itself, and theirs are again two
# features of the mark; the end of a sentence contributes almost nothing. Most of this circuit
# copies one piece of information from block to block.
nodes = [(node["hook_point"], node["feature"]) for node in circuit.nodes]
position = {}
for height, point in enumerate(dictionaries):
    here = [node for node in nodes if node[0] == point]
    for i, node in enumerate(here):
        position[node] = ((i + 1) / (len(here) + 1), height)
fig, ax = plt.subplots(figsize=(10, 5), layout="constrained")
for edge in circuit.edges:
    (x0, y0), (x1, y1) = position[edge["parent"]], position[edge["child"]]
    share = min(edge["relative_drop"], 1)
    ax.plot([x0, x1], [y0, y1], color="#5b3f91", linewidth=0.5 + 8 * share, alpha=0.45, zorder=1)
    if share > 0.1:
        ax.text((x0 + x1) / 2, (y0 + y1) / 2, f"{share:.0%}", ha="center", va="center", fontsize=8)
box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.6"}
for node, (x, y) in position.items():
    text = f"{node[1]}\n{labels[node]}"
    ax.text(x, y, text, ha="center", va="center", fontsize=8.5, bbox=box, zorder=2)
ax.set(xlim=(0, 1), ylim=(-0.4, 2.4), title="The parents of a feature, two blocks down")
ax.set_yticks(range(3), ["after block 1", "after block 2", "after block 3"])
ax.set_xticks([])
ax.spines[:].set_visible(False)
plt.show()
