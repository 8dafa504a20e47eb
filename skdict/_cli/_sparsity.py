"""The options that set how sparse a dictionary is."""

import argparse
from fractions import Fraction

from skdict._validation import check_number
from skdict.decomposition import DEFAULTS

SPARSITY_ARGUMENTS = {
    "--alpha": {
        "metavar": "A",
        "type": float,
        "help": "weight of the L1 penalty: larger means fewer codes a token. The value that suits "
        f"a layer differs between models and layers (default: {DEFAULTS['relu']['alpha']})",
    },
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "codes a token to reach, by steering alpha from --alpha; recommended where one "
        "number must serve several layers (default: keep alpha fixed)",
    },
}


def _prefix_sizes(text):
    """Return sizes separated by commas: whole numbers, or fractions such as 1/4 or 0.25."""
    try:
        sizes = [Fraction(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted: pass sizes such as 144,576, or fractions such as 1/16,1/4"
        ) from None
    return [int(size) if size.denominator == 1 else float(size) for size in sizes]


# With a choice of the activation.
ACTIVATION_ARGUMENTS = {
    "--activation": {
        "choices": ("relu", "topk", "batch_topk", "jumprelu"),
        "default": "relu",
        "help": "how codes become sparse: by an L1 penalty (relu), by keeping the largest of each "
        "token (topk) or of a batch (batch_topk), or by a learned threshold (jumprelu)",
    },
    **SPARSITY_ARGUMENTS,
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "codes a token. With topk it is their largest number and with batch_topk their "
        "mean (default: 32, or a quarter of the features if that is less); with relu it is reached "
        "by steering alpha from --alpha, recommended where one number must serve several layers, "
        "and with jumprelu it takes the place of alpha (default: keep alpha fixed)",
    },
    "--matryoshka": {
        "metavar": "SIZES",
        "type": _prefix_sizes,
        "help": "sizes of nested prefixes before the full dictionary: numbers of features such as "
        "144,576, or fractions of them such as 1/16,1/4 (default: none)",
    },
}


def sparsity_params(options, activation="relu"):
    """Return the parameters of `SparseDictionaryAutoencoder` that options set.

    Parameters
    ----------
    options : argparse.Namespace
        With `alpha`, `target_l0` and `n_components`, any of them None.
    activation : {"relu", "topk", "batch_topk", "jumprelu"}, default="relu"
        The activation.

    Returns
    -------
    dict
        `activation` and `target_l0`; and `alpha`, if it was given.

    Raises
    ------
    ValueError
        If a penalty or a target is out of range, or does not go with the activation.
    """
    params = {"activation": activation, "target_l0": _target(options, activation)}
    if options.alpha is None:
        return params
    if activation != "relu" and not (activation == "jumprelu" and options.target_l0 is None):
        why = "which has no penalty" if activation != "jumprelu" else "which aims at --target-l0"
        raise ValueError(
            f"--alpha {options.alpha} does not go with --activation {activation}, {why}; leave it "
            f"out, and set the codes a token by --target-l0"
        )
    start = DEFAULTS[activation]["alpha"]
    hint = f"larger means fewer codes a token, and {start} is a start; or pass --target-l0"
    check_number("--alpha", options.alpha, low=0, hint=hint)
    if options.alpha == 0 and options.target_l0 is not None:
        raise ValueError("--alpha 0 cannot be steered to --target-l0; start from --alpha 0.1")
    return params | {"alpha": options.alpha}


def _target(options, activation):
    target = options.target_l0
    if target is None:
        return None
    hint = "it counts codes a token, of the features of the dictionary"
    check_number("--target-l0", target, above=0, high=options.n_components, hint=hint)
    if activation != "topk":
        return target
    if not target.is_integer():
        raise ValueError(
            f"--target-l0={target} is not accepted: with --activation topk it is the number of "
            f"codes of every token; pass a whole number, or --activation batch_topk"
        )
    return int(target)
