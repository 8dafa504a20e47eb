"""Define dead features, during and after training, and warn about many of them."""

import numpy as np
import scipy.sparse

from skdict._validation import as_numbers
from skdict.decomposition._activation import is_penalised
from skdict.decomposition._defaults import setting
from skdict.decomposition._user_warning import warn_user
from skdict.exceptions import DeadFeaturesWarning

# In training, a feature is dead after this many rows without firing, or an epoch if that is less.
MOST_SILENT_ROWS = 10_000_000
MANY_DEAD = 1 / 3
# Ten times the default.
USUAL_LEARNING_RATE = 0.03


def firing_counts(codes):
    """Return the number of rows on which each feature fires, (n_components,), and of all rows."""
    if not scipy.sparse.issparse(codes):
        codes = np.asarray(as_numbers("codes", codes))
    if codes.ndim != 2 or codes.shape[0] == 0:
        raise ValueError(
            f"codes have shape {codes.shape}; pass codes of shape (n_rows, n_components) with at "
            f"least one row"
        )
    if scipy.sparse.issparse(codes):
        codes = scipy.sparse.csr_array(codes)
        fired = codes.indices[codes.data != 0]
        return np.bincount(fired, minlength=codes.shape[1]), codes.shape[0]
    return np.count_nonzero(codes, axis=0), codes.shape[0]


def are_dead(firing_counts, min_count=1):
    """Return a mask of dead features: those that fire on fewer than `min_count` rows."""
    return firing_counts < min_count


def silent_steps(schedule):
    """Return the number of training steps without firing after which a feature is dead."""
    return min(schedule.steps, -(-MOST_SILENT_ROWS // schedule.batch_size))


def _penalty_too_large(sae):
    """Return the cause and the remedy of a penalty that leaves less than one code per row."""
    given = f"alpha={sae.alpha_:.4g}" if sae.target_l0 is None else f"target_l0={sae.target_l0}"
    return f"too large a penalty ({given})", _denser(sae)[0]


def _denser(sae):
    """Return a list with the advice that makes codes denser, if a parameter does."""
    # With a target, alpha is adjusted or unused.
    if sae.target_l0 is not None or sae.activation in ("topk", "batch_topk"):
        return ["raise target_l0"]
    return ["lower alpha"] if is_penalised(sae) else []


def warn_of_dead_features(sae):
    """Warn if more than a third of the features fired on no row of the last epoch."""
    dead, total = int(are_dead(sae.firing_counts_).sum()), len(sae.firing_counts_)
    if dead <= MANY_DEAD * total:
        return
    if setting(sae, "learning_rate") > USUAL_LEARNING_RATE:
        cause = f"too large a learning rate (learning_rate={sae.learning_rate})"
        remedy = "lower learning_rate, or pass learning_rate='auto'"
    elif setting(sae, "bias_init") == "zeros":
        cause, remedy = "biases that start at zero", "pass bias_init='calibrated'"
    elif is_penalised(sae) and sae.history_[-1]["l0"] < 1:
        cause, remedy = _penalty_too_large(sae)
    else:
        cause = "more features than these rows support"
        remedy = " or ".join(["lower n_components", *_denser(sae)])
    warn_user(
        f"{dead} of {total} features fired on no row of the last epoch; the likely cause is "
        f"{cause}: {remedy}",
        DeadFeaturesWarning,
    )
