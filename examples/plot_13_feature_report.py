"""
What is in a dictionary?
========================

Hundreds of features are too many to inspect one by one in a terminal. ``write_report`` puts them
in one HTML file that needs no server: a table to sort and search, and for each feature the tokens
it fires on, its explanation, and its effect on the next token.
"""

# %%
# A dictionary and held-out rows
# ------------------------------
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.inspection import FeatureStatistics, write_report
from skdict.interpretation import FeatureInterpreter
from skdict.interventions import output_effects

FAST = os.environ.get("SKDICT_EXAMPLES_FAST") == "1"
n_texts, n_components, max_iter = (20, 32, 1) if FAST else (400, 256, 10)
stories = load_stories()
hook_point = "resid_post.2"
acts = ActivationExtractor(stories.model, hook_point).fit_transform(stories.texts[:n_texts])
train, test = acts[acts.documents % 2 == 0], acts[acts.documents % 2 == 1]
sae = SparseDictionaryAutoencoder(n_components, max_iter=max_iter, random_state=0).fit(train)

# %%
# Explanations and effects
# ------------------------
# Both are optional and can be replaced by tables of your own. Explanations are scored on documents
# they were not written from, and effects are measured by ablating the feature in the running
# model.
n_features = 4 if FAST else 40
interpreter = FeatureInterpreter(sae, n_features=n_features, random_state=0).fit(test)
shown = [int(feature) for feature in interpreter.features_[: n_features // 4]]
effects = output_effects(stories.model, hook_point, sae, stories.texts[:n_texts], shown, n_texts=4)

# %%
# The report
# ----------
path = Path(tempfile.mkdtemp()) / "report.html"
write_report(path, sae, test, scores=interpreter, effects=effects)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, opens in any browser")

# %%
# The statistics in the report are also available as arrays.
statistics = FeatureStatistics().fit(sae.transform(test), test)
density, largest = statistics.density_[:n_components], statistics.max_[:n_components]
print(f"{(density == 0).sum()} of {n_components} features never fire on unseen text")

# %%
# The answer
# ----------
# Each point is a feature. Most fire on 2 to 10 % of the tokens. Explained features are coloured by
# score; dark ones are explained well. Neither the frequency nor the strength of a feature shows
# whether it can be explained, so look it up in the report.
fig, ax = plt.subplots(figsize=(7, 4.3), layout="constrained")
alive = density > 0
ax.plot(density[alive], largest[alive], "o", color="0.85", label="not explained", markersize=5)
explained = interpreter.features_
points = ax.scatter(
    density[explained],
    largest[explained],
    c=np.nan_to_num(interpreter.scores_),
    cmap="viridis_r",
    vmin=0,
    vmax=1,
    zorder=3,
)
fig.colorbar(points, label="explanation score")
ax.set(xscale="log", xlabel="share of tokens on which the feature fires", ylabel="largest code")
ax.set_xticks([0.02, 0.05, 0.1, 0.2], ["2 %", "5 %", "10 %", "20 %"])
ax.minorticks_off()
ax.set(title="Frequency, strength and explanation score of features")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="upper left")
plt.show()
