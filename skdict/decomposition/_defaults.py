"""Values of "auto" for each activation; docs/defaults.rst describes the experiments."""

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
# Activation whose defaults apply to a custom activation, by its penalty.
NEAREST = {"l1": "relu", "l0": "jumprelu", None: "topk"}


def setting(sae, name):
    """Return the value of a parameter, resolving "auto" for the activation of the estimator."""
    value = getattr(sae, name)
    if not isinstance(value, str) or value != "auto":
        return value
    known = isinstance(sae.activation, str)
    return DEFAULTS[sae.activation if known else NEAREST[penalty_kind(sae)]][name]


def settings_used(sae):
    """Return resolved parameters as fitted attributes, except alpha, which training may change."""
    names = ("learning_rate", "bias_init", "dead_features", "tied_weights")
    params = sae.get_params(deep=False)
    return {f"{name}_": setting(sae, name) for name in names if name in params}
