"""
Can a text classifier be interpreted?
=====================================

A classifier on a language model's activations is accurate but opaque, because its weights are
on dimensions without meaning. With sparse features, its weights are on features that can be
inspected. This example builds a Pipeline from texts to labels and shows its most important
features.
"""

# %%
# Texts with labels
# -----------------
# Half of the bundled stories were generated to contain one of four behaviours, given by
# ``kinds``. The task is to predict it.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.feature_extraction import FeatureVectorizer
from skdict.inspection import summarize_features

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (40, 32, 1) if FAST else (600, 512, 5)
stories = load_stories()
labelled = [
    (text, kind)
    for text, kind in zip(stories.texts, stories.kinds, strict=True)
    if kind != "sampled"
][:n_texts]
texts, kinds = zip(*labelled, strict=True)
train_texts, test_texts, train_kinds, test_kinds = train_test_split(
    texts, kinds, test_size=0.3, random_state=0
)

# %%
# The Pipeline
# ------------
# ``FeatureVectorizer`` takes the place of a ``TfidfVectorizer``. It encodes the tokens of each
# text and keeps the largest code of each feature, which gives one sparse row per text.
extractor = ActivationExtractor(stories.model, "resid_post.2")
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0)
classifier = make_pipeline(
    FeatureVectorizer(extractor, sae, pooling="max"),
    MaxAbsScaler(),
    LogisticRegression(max_iter=1000),
).fit(list(train_texts), train_kinds)
weights, classes = classifier[-1].coef_, classifier[-1].classes_
print(f"accuracy on held-out texts: {classifier.score(list(test_texts), test_kinds):.2f}")

# %%
# The features with large weights
# -------------------------------
# For each kind, print the feature with the largest weight: the tokens on which it fires in the
# held-out texts, and its strongest contexts.
fitted = classifier[0].dictionary_
acts = extractor.transform(list(test_texts))
codes = fitted.transform(acts)
for kind, row in zip(classes, weights, strict=True):
    (summary,) = summarize_features(codes, acts, [row.argmax()], n_contexts=2)
    print(f"{kind}: {summary}\n")

# %%
# The answer
# ----------
# The figure shows the three features with the largest weights for each kind, labelled with the
# tokens on which they fire. Unlike the accuracy, these show what the classifier relies on.
fig, axes = plt.subplots(len(classes), 1, figsize=(7, 5.5), layout="constrained", sharex=True)
for ax, kind, row in zip(axes, classes, weights, strict=True):
    top = np.argsort(-row)[:3]
    labels = []
    for summary in summarize_features(codes, acts, top, n_tokens=4):
        tokens = ", ".join(repr(token.strip()) for token, _ in summary.top_tokens)
        labels.append(f"{summary.feature}: {tokens}")
    ax.barh(labels, row[top], color="#5b3f91")
    ax.invert_yaxis()
    ax.set_title(kind, loc="left", fontsize=10)
    ax.tick_params(axis="y", labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set(xlabel="weight in the classifier")
fig.suptitle("The features that identify each class")
plt.show()
