"""
How do I train on more rows than memory holds?
==============================================

A real model has thousands of dimensions, and a dictionary needs millions of tokens: tens of
gigabytes. There are two ways to avoid holding them in memory. Either update the dictionary with
each chunk and discard it, or store the chunks on disk and have ``fit`` stream them.
"""

# %%
# Discard each chunk
# ------------------
# ``iter_transform`` runs the model on a few texts at a time, and ``partial_fit`` updates the
# dictionary with their rows. Texts may come from a generator, so no full data set is ever needed.
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from skdict import ActivationExtractor, Activations, SparseDictionaryAutoencoder, load_stories
from skdict.activations import ActivationsWriter

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
stories = load_stories()
extractor = ActivationExtractor(stories.model, "resid_post.2")
n_texts, chunk_size, n_components = (24, 8, 32) if FAST else (900, 60, 256)
held_out = extractor.transform(stories.texts[n_texts : n_texts + n_texts // 8])

streaming = SparseDictionaryAutoencoder(n_components, random_state=0)
rows_seen, fvu = [], []
for chunk in extractor.iter_transform(stories.texts[:n_texts], chunk_size=chunk_size):
    streaming.partial_fit(chunk)
    rows_seen.append(len(chunk) + (rows_seen[-1] if rows_seen else 0))
    fvu.append(1 - streaming.score(held_out))
print(f"{rows_seen[-1]} rows, at most {max(len(chunk), rows_seen[0])} of them at a time")

# %%
# Store chunks on disk
# --------------------
# ``ActivationsWriter`` writes shard by shard and resumes after an interruption. Loading maps the
# files without reading them. ``fit`` then goes through them in blocks, shuffling within each block,
# for ``max_iter`` epochs.
folder = Path(tempfile.mkdtemp()) / "acts"
with ActivationsWriter(folder, source={"texts": "the bundled stories"}) as writer:
    for chunk in extractor.iter_transform(stories.texts[:n_texts], chunk_size=chunk_size):
        writer.append(chunk)
    writer.finish()
acts = Activations.load(folder)
size = sum(file.stat().st_size for file in folder.rglob("*.npy")) / 1e6
print(f"{acts.shape[0]} rows of {acts.shape[1]} on disk, {size:.0f} MB")

# %%
# Fit with one pass over the rows on disk, and with several.
once, often = (
    SparseDictionaryAutoencoder(n_components, max_iter=epochs, random_state=0).fit(acts)
    for epochs in (1, 2 if FAST else 8)
)

# %%
# The answer
# ----------
# Updating chunk by chunk comes close to a fit with one pass over all rows. The advantage of rows on
# disk is that they can be read again.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(rows_seen, fvu, "o-", color="#5b3f91", label="partial_fit, each chunk once")
ax.axhline(1 - once.score(held_out), color="0.4", linestyle="--", label="fit from disk, one pass")
ax.axhline(1 - often.score(held_out), color="0.4", label=f"fit from disk, {often.n_iter_} passes")
ax.set(xlabel="rows seen", ylabel="FVU on held-out texts", ylim=(0, None), xlim=(0, None))
ax.set(title="Training without all rows in memory")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
