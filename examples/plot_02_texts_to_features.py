"""
What does a language model represent at each word?
==================================================

This example goes from texts to features in three steps: extract a model's activations, fit a
sparse dictionary to them, and look at where its features fire.
"""

# %%
# Extract
# -------
# The package bundles a small language model and stories. Any other model works too: a name on
# the Hugging Face hub, a folder, or a loaded model with its tokenizer. ``"resid_post.2"`` is
# the residual stream after block 2, counting from 0.
import os

import matplotlib.pyplot as plt
import numpy as np

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.inspection import summarize_features

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (800, 512, 10)
stories = load_stories()
extractor = ActivationExtractor(stories.model, "resid_post.2")
acts = extractor.fit_transform(stories.texts[:n_texts])
print(f"{acts.shape[0]} tokens, {acts.shape[1]} dimensions")

# %%
# Every row records its token and its text.
print(acts.context(30))

# %%
# Fit
# ---
# A fifth of the texts is held out. Documents are not split, because neighbouring tokens are
# similar and a split by row would leak.
train, test = acts[acts.documents % 5 != 4], acts[acts.documents % 5 == 4]
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(train)
codes = sae.transform(test)
print(f"{codes.nnz / len(test):.1f} of {codes.shape[1]} features fire on a token,")
print(f"and explain {sae.score(test):.0%} of the variance")

# %%
# Look
# ----
# A summary shows the tokens on which a feature fires, and its strongest contexts with the
# token in brackets.
counts = np.bincount(codes.indices, minlength=codes.shape[1])
frequent = np.flatnonzero(counts >= 10)[:3]
print(*summarize_features(codes, test, frequent, n_contexts=3), sep="\n\n")

# %%
# One sentence, token by token
# ----------------------------
# A new sentence goes through the same two steps. The figure shows the strongest feature of each
# token, labelled with the tokens on which it fires most in the held-out stories.
sentence = "Lily and Tom went to the park. Tom gave a red ball to Lily. She was happy."
new = extractor.transform([sentence])
new_codes = sae.transform(new).toarray()
strongest = np.unique(new_codes.argmax(axis=1))
order = strongest[np.argsort(new_codes[:, strongest].argmax(axis=0))]
labels = []
for summary in summarize_features(codes, test, order):
    tokens = ", ".join(token.strip() for token, _ in summary.top_tokens[:3])
    labels.append(f"{summary.feature}: {tokens}")

# %%
# The answer
# ----------
# Few features fire at each word. Some represent the word itself, others its role in the
# sentence: a name, a place to go to, the word after "to the".
fig, ax = plt.subplots(figsize=(9, 0.28 * len(order) + 1.4), layout="constrained")
ax.imshow(new_codes[:, order].T, cmap="Purples", aspect="auto")
ax.set_xticks(range(len(new)), [new.token(i) for i in range(len(new))], rotation=60, ha="right")
ax.set_yticks(range(len(order)), labels, fontsize=8)
ax.set(title="Few features fire at each word (darker is stronger)")
ax.tick_params(length=0)
ax.spines[:].set_visible(False)
plt.show()
