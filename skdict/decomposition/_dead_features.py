"""A warning of many dead features, with cause and remedy."""

import numpy as np

from skdict.decomposition._activation import is_penalised
from skdict.decomposition._defaults import setting
from skdict.decomposition._user_warning import warn_user
from skdict.exceptions import DeadFeaturesWarning

MANY_DEAD = 1 / 3
# Ten times the default.
USUAL_LEARNING_RATE = 0.03


def warn_of_dead_features(sae):
    """Warn if more than a third of the features of a fit fired on no row of its last epoch."""
    dead, total = np.count_nonzero(sae.firing_counts_ == 0), len(sae.firing_counts_)
    if dead <= MANY_DEAD * total:
        return
    if setting(sae, "learning_rate") > USUAL_LEARNING_RATE:
        cause = f"too large a learning rate (learning_rate={sae.learning_rate})"
        remedy = "lower learning_rate, or pass learning_rate='auto'"
    elif setting(sae, "bias_init") == "zeros":
        cause, remedy = "biases that start at zero", "pass bias_init='calibrated'"
    elif is_penalised(sae) and sae.history_[-1]["l0"] < 1:
        cause, remedy = f"too large a penalty (alpha={sae.alpha_:.4g})", "lower alpha"
    else:
        cause = "more components than these rows can use"
        remedy = "lower n_components or alpha" if is_penalised(sae) else "lower n_components"
    warn_user(
        f"{dead} of {total} features fired on no row of the last epoch; the likely cause is "
        f"{cause}: {remedy}",
        DeadFeaturesWarning,
    )
