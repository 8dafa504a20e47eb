"""
What does an MLP layer compute?
===============================

An autoencoder describes the activations at one point of a model. A transcoder describes a step of
the computation: it reads what goes into an MLP and predicts what comes out. Each of its features
has two sides, the inputs that make it fire and the direction that it then writes.
"""

# %%
# Inputs and outputs
# ------------------
# Both hook points are read in one pass, one row per token. Texts are held out for measuring.
import os

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import SparseTranscoder, load_stories
from skdict.evaluation import loss_recovered
from skdict.feature_extraction import extract_activations
from skdict.inspection import summarize_features
from skdict.interventions import output_effects

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (30, 32, 1) if FAST else (500, 512, 5)
stories = load_stories()
# The bundled stories are sorted by kind.
order = np.random.default_rng(0).permutation(len(stories.texts))[:n_texts]
texts = [stories.texts[i] for i in order]
n_train = n_texts * 4 // 5
pair = ("mlp_in.3", "mlp_out.3")
rows = extract_activations(stories.model, list(pair), texts)
train = rows["mlp_in.3"].documents < n_train
X, Y = (rows[point][train] for point in pair)
X_test, Y_test = (rows[point][~train] for point in pair)

# %%
# The transcoder
# --------------
# A linear map misses most of what the MLP does. A sparse transcoder with eight active features per
# token misses far less, and the model works almost as well with its predictions in place of the
# MLP. The increase in cross-entropy is small beside that of replacing the output by its mean.
linear = LinearRegression().fit(np.asarray(X), np.asarray(Y))
options = {"activation": "batch_topk", "target_l0": 8, "max_iter": max_iter, "random_state": 0}
transcoder = SparseTranscoder(n_components, **options).fit(X, Y)
error = ((np.asarray(Y_test) - linear.predict(np.asarray(X_test))) ** 2).sum()
total = ((np.asarray(Y_test) - np.mean(Y_test, axis=0)) ** 2).sum()
print(f"FVU of a linear map     {error / total:.2f}")
print(f"FVU of the transcoder   {1 - transcoder.score(X_test, Y_test):.2f}")
kept = loss_recovered(stories.model, pair, transcoder, texts[n_train:])
print(f"cross-entropy           {kept.cross_entropy:.3f} nats per token")
print(f"  with the transcoder  +{kept.cross_entropy_increase:.3f}")
print(f"  with the mean output +{kept.cross_entropy_mean - kept.cross_entropy:.3f}")
print(f"loss recovered          {kept.loss_recovered_mean:.0%}")

# %%
# Two features
# ------------
# What a feature writes can be read off its weights: through the final norm and the unembedding, its
# decoder direction raises some tokens and lowers others. Choose the features that raise " Lucy" and
# " have" most, relative to other tokens, and look at the contexts in which they fire.
model = AutoModelForCausalLM.from_pretrained(stories.model)
tokenizer = AutoTokenizer.from_pretrained(stories.model)
gain = model.model.norm.weight.detach().float().numpy()
unembedding = model.lm_head.weight.detach().float().numpy()
raised = (unembedding * gain) @ transcoder.components_.T
raised = (raised - raised.mean(axis=0)) / raised.std(axis=0)
codes = transcoder.transform(X_test)
rare = (codes > 0).mean(axis=0) < 1e-3
tokens = [tokenizer.encode(word, add_special_tokens=False)[0] for word in (" Lucy", " have")]
features = [int(np.where(rare, -np.inf, raised[token]).argmax()) for token in tokens]
features = list(dict.fromkeys(features))
for summary in summarize_features(codes, X_test, features):
    print(summary)

# %%
# The check
# ---------
# Weights show what a feature would do if no later block reacted. Ablate each feature in texts where
# it fires, let the model run to its end, and measure how much less likely each token becomes.
table = output_effects(
    stories.model, pair, transcoder, texts[n_train:], features, n_texts=20, random_state=0
)

# %%
# The answer
# ----------
# The MLP computes properties of the next word from the context. One feature fires on "named" and
# "called" where a girl is introduced, and raises the names of girls; the other fires on "and" and
# "to" and raises verbs in their base form. Over the whole vocabulary, ablation confirms what the
# weights say, though the last block changes the order of single tokens.
fig, axes = plt.subplots(1, len(features), figsize=(10, 5), layout="constrained", squeeze=False)
for ax, feature, effect in zip(axes[0], features, table.effects, strict=True):
    by_weights = raised[:, feature]
    strongest = np.argsort(-by_weights)[:8]
    ax.scatter(by_weights, effect, s=6, color="0.75", linewidths=0)
    ax.scatter(by_weights[strongest], effect[strongest], s=18, color="#5b3f91")
    words = "\n".join(table.vocabulary[token].strip() for token in strongest)
    ax.text(0.98, 0.03, words, color="#5b3f91", ha="right", va="bottom", transform=ax.transAxes)
    agreement = spearmanr(by_weights, effect).statistic
    ax.set(title=f"Feature {feature}, rank correlation {agreement:.2f}")
    ax.set(xlabel="raised by weights (standard deviations)", ylabel="raised in the model (nats)")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
