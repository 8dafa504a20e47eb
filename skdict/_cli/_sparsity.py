"""The options that set how sparse a dictionary is."""

from skdict._validation import check_number

DEFAULT_ALPHA = 0.1
SPARSITY_ARGUMENTS = {
    "--alpha": {
        "metavar": "A",
        "type": float,
        "help": "weight of the L1 penalty: larger means fewer codes a token. The value that suits "
        f"a layer differs between models and layers (default: {DEFAULT_ALPHA})",
    },
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "codes a token to reach, by steering alpha from --alpha; recommended where one "
        "number must serve several layers (default: keep alpha fixed)",
    },
}
# With a choice of the activation.
ACTIVATION_ARGUMENTS = {
    "--activation": {
        "choices": ("relu", "topk", "batch_topk"),
        "default": "relu",
        "help": "how codes become sparse: by an L1 penalty (relu), or by keeping the largest of "
        "each token (topk) or of a batch (batch_topk)",
    },
    **SPARSITY_ARGUMENTS,
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "codes a token. With topk it is their largest number and with batch_topk their "
        "mean (default: 32, or a quarter of the features if that is less); with relu it is reached "
        "by steering alpha from --alpha, recommended where one number must serve several layers "
        "(default: keep alpha fixed)",
    },
}
HINT = "larger means fewer codes a token, and 0.1 is a start; or pass --target-l0"


def sparsity_params(options, activation="relu"):
    """Return the parameters of `SparseDictionaryAutoencoder` that options set.

    Parameters
    ----------
    options : argparse.Namespace
        With `alpha`, `target_l0` and `n_components`, any of them None.
    activation : {"relu", "topk", "batch_topk"}, default="relu"
        The activation.

    Returns
    -------
    dict
        `activation` and `target_l0`; and `alpha`, if there is a penalty.

    Raises
    ------
    ValueError
        If a penalty or a target is out of range, or does not go with the activation.
    """
    params = {"activation": activation, "target_l0": _target(options, activation)}
    if activation == "relu":
        return params | {"alpha": _alpha(options)}
    if options.alpha is not None:
        raise ValueError(
            f"--alpha {options.alpha} does not go with --activation {activation}, which has no "
            f"penalty; leave it out, and set the codes a token by --target-l0"
        )
    return params


def _alpha(options):
    alpha = DEFAULT_ALPHA if options.alpha is None else options.alpha
    check_number("--alpha", alpha, low=0, hint=HINT)
    if alpha == 0 and options.target_l0 is not None:
        raise ValueError("--alpha 0 cannot be steered to --target-l0; start from --alpha 0.1")
    return alpha


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
