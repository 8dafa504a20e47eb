"""What "auto" means for each activation; docs/defaults.rst has the experiments."""

from skdict.decomposition._activation import penalty_kind

_SELECTING = {
    "alpha": 0.0,
    "learning_rate": 3e-3,
    "bias_init": "calibrated",
    "dead_features": "auxk",
    "tied_weights": False,
}
DEFAULTS = {
    "relu": _SELECTING | {"alpha": 0.1, "dead_features": "ignore", "tied_weights": True},
    "topk": _SELECTING,
    "batch_topk": _SELECTING | {"learning_rate": 4.5e-3},
    "jumprelu": _SELECTING | {"alpha": 0.001},
}
# What an activation of one's own takes after, by its penalty.
NEAREST = {"l1": "relu", "l0": "jumprelu", None: "topk"}


def setting(sae, name):
    """Return a parameter of an estimator, or what "auto" means for its activation."""
    value = getattr(sae, name)
    if not isinstance(value, str) or value != "auto":
        return value
    known = isinstance(sae.activation, str)
    return DEFAULTS[sae.activation if known else NEAREST[penalty_kind(sae)]][name]


def settings_used(sae):
    """Return as fitted attributes what "auto" may stand for, but for alpha, which may move."""
    names = ("learning_rate", "bias_init", "dead_features", "tied_weights")
    return {f"{name}_": setting(sae, name) for name in names}
