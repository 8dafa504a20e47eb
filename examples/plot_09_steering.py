"""
Does steering a feature change what the model writes?
=====================================================

The words on which a feature fires show what the model *sees*. To find out whether the model
*uses* the feature, steer it up or down while the model runs.
"""

# %%
# A dictionary
# ------------
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.decomposition import to_torch
from skdict.inspection import summarize_features
from skdict.interventions import Steer, intervene

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (500, 512, 10)
stories = load_stories()
hook_point = "resid_post.3"
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(acts)

# %%
# A feature for a word
# --------------------
# Look for a feature that fires *before* a certain word: the one whose direction raises the
# word's logit most when added to the residual stream. This is only a guess, because later blocks
# also react, so the next step checks it by running the model.
model = AutoModelForCausalLM.from_pretrained(stories.model).eval()
tokenizer = AutoTokenizer.from_pretrained(stories.model)
word = " sad"
(token,) = tokenizer.encode(word, add_special_tokens=False)
gain = model.model.norm.weight.detach().numpy()
scores = model.lm_head.weight.detach().numpy() * gain @ sae.components_.T
feature = int(np.argmax((scores - scores.mean(axis=0))[token] / scores.std(axis=0)))
codes = sae.transform(acts)
print(summarize_features(codes, acts, [feature])[0])

# %%
# Steering generation
# -------------------
# Anything that runs the model inside the ``with`` block sees the edit, here ``generate``. The
# reconstruction error is kept, so an edit of size zero changes nothing.
frozen = to_torch(sae)
typical = float(codes.data.mean())
prompt = tokenizer("Once upon a time there was a girl called Lily. She was", return_tensors="pt")
n_read = prompt["input_ids"].shape[1]
for strength in (0, 4, 8):
    with intervene(model, hook_point, frozen, Steer(feature, strength * typical)):
        written = model.generate(**prompt, max_new_tokens=4 if FAST else 16, do_sample=False)
    print(f"+{strength} typical codes: ... She was{tokenizer.decode(written[0, n_read:])!r}")

# %%
# The effect of strength
# ----------------------
# Compute the probability of the word as the next token for a range of strengths, and compare it
# with steering five other features by the same amounts.
random = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(n_components), feature))[:5]
strengths = np.linspace(-4, 8, 4 if FAST else 13)


def probability(steered):
    """Return the probability of the word at each strength."""
    values = []
    for strength in strengths:
        edit = Steer(int(steered), float(strength * typical))
        with torch.no_grad(), intervene(model, hook_point, frozen, edit):
            logits = model(**prompt).logits[0, -1]
        values.append(float(logits.softmax(-1)[token]))
    return values


# %%
# The answer
# ----------
# Steering makes the word nearly thirty times as likely, increasingly so at higher strengths. Other
# features steered as far raise the word too, though at most half as much, and the word stays one
# of many. Always compare a steering curve with those of other features.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for number, other in enumerate(random):
    label = "five other features" if number == 0 else None
    ax.plot(strengths, probability(other), color="0.7", linewidth=1, label=label)
ax.plot(strengths, probability(feature), "o-", color="#5b3f91", label=f"feature {feature}")
ax.set(xlabel="added to the code (in typical codes)", ylabel=f"probability of {word.strip()!r}")
ax.set(title=f"Steering the feature makes {word.strip()!r} more likely", ylim=(0, None))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
