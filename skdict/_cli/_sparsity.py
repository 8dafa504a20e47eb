"""The options that set how sparse a dictionary is."""

from skdict._validation import check_number

SPARSITY_ARGUMENTS = {
    "--alpha": {
        "metavar": "A",
        "type": float,
        "default": 0.1,
        "help": "weight of the L1 penalty: larger means fewer codes a token. The value that suits "
        "a layer differs between models and layers; 0.1 is a start",
    },
    "--target-l0": {
        "metavar": "L0",
        "type": float,
        "help": "codes a token to reach, by steering alpha from --alpha; recommended where one "
        "number must serve several layers (default: keep alpha fixed)",
    },
}
HINT = "larger means fewer codes a token, and 0.1 is a start; or pass --target-l0"


def check_sparsity(options):
    """Refuse a penalty or a target out of range (`ValueError`)."""
    check_number("--alpha", options.alpha, low=0, hint=HINT)
    if options.target_l0 is None:
        return
    check_number(
        "--target-l0",
        options.target_l0,
        above=0,
        high=options.n_components,
        hint="it counts codes a token, of the features of the dictionary",
    )
    if options.alpha == 0:
        raise ValueError("--alpha 0 cannot be steered to --target-l0; start from --alpha 0.1")
