"""Options that control the sparsity of a dictionary."""

import argparse
from fractions import Fraction

from skdict._validation import check_number
from skdict.decomposition import DEFAULTS

SPARSITY_ARGUMENTS = {
    "--alpha": {
        "metavar": "A",
        "type": float,
        "help": "weight of the sparsity penalty; larger values give fewer codes per token. The "
        "best value depends on the model and the layer (default: "
        f"{DEFAULTS['relu']['alpha']} with relu, {DEFAULTS['jumprelu']['alpha']} with jumprelu)",
    },
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "target L0 (mean number of codes per token), reached by adjusting alpha, starting "
        "from --alpha; recommended if one setting must suit several layers (default: keep alpha "
        "fixed)",
    },
}


def _prefix_sizes(text):
    """Parse comma-separated sizes: integers, or fractions such as 1/4 or 0.25."""
    try:
        sizes = [Fraction(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of sizes: pass numbers such as 144,576, or fractions such as "
            f"1/16,1/4"
        ) from None
    return [int(size) if size.denominator == 1 else float(size) for size in sizes]


# For commands that offer a choice of activation.
ACTIVATION_ARGUMENTS = {
    "--activation": {
        "choices": ("relu", "topk", "batch_topk", "jumprelu"),
        "default": "relu",
        "help": "how codes are made sparse: an L1 penalty (relu), the largest pre-activations of "
        "each token (topk) or of each batch (batch_topk), or learned thresholds (jumprelu)",
    },
    **SPARSITY_ARGUMENTS,
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "target L0 (number of codes per token): the maximum with topk and the mean with "
        "batch_topk (default: 32, or a quarter of the features if that is less). With relu it is "
        "reached by adjusting alpha, starting from --alpha, which is recommended if one setting "
        "must suit several layers; with jumprelu it replaces alpha (default with relu and "
        "jumprelu: keep alpha fixed)",
    },
    "--matryoshka": {
        "metavar": "SIZES",
        "type": _prefix_sizes,
        "help": "sizes of nested prefixes of the dictionary to train in addition to the full one: "
        "numbers of features such as 144,576, or fractions such as 1/16,1/4 (default: none)",
    },
}


def sparsity_params(options, activation="relu"):
    """Return the sparsity parameters of `SparseDictionaryAutoencoder` given by the options.

    Parameters
    ----------
    options : argparse.Namespace
        Options with `alpha`, `target_l0` and `n_components`, each of which may be None.
    activation : {"relu", "topk", "batch_topk", "jumprelu"}, default="relu"
        Activation of the dictionary.

    Returns
    -------
    dict
        The parameters `activation` and `target_l0`, and `alpha` if it was given.

    Raises
    ------
    ValueError
        If alpha or the target is out of range, or cannot be combined with the activation.
    """
    params = {"activation": activation, "target_l0": _target(options, activation)}
    if options.alpha is None:
        return params
    if activation != "relu" and not (activation == "jumprelu" and options.target_l0 is None):
        why = "which has no penalty" if activation != "jumprelu" else "when --target-l0 is given"
        raise ValueError(
            f"--alpha {options.alpha} cannot be used with --activation {activation}, {why}; omit "
            f"it, and set the number of codes per token with --target-l0"
        )
    start = DEFAULTS[activation]["alpha"]
    hint = f"larger means fewer codes per token, try {start} first; or pass --target-l0"
    check_number("--alpha", options.alpha, low=0, hint=hint)
    if options.alpha == 0 and options.target_l0 is not None:
        raise ValueError(
            "--alpha 0 cannot be adjusted to reach --target-l0; start from --alpha 0.1"
        )
    return params | {"alpha": options.alpha}


def _target(options, activation):
    target = options.target_l0
    if target is None:
        return None
    hint = "it is the number of codes per token, at most the number of features"
    check_number("--target-l0", target, above=0, high=options.n_components, hint=hint)
    if activation != "topk":
        return target
    if not target.is_integer():
        raise ValueError(
            f"--target-l0={target} is not accepted: with --activation topk it is the maximum "
            f"number of codes per token; pass an integer, or --activation batch_topk"
        )
    return int(target)
